"""An application: answers the node's webhooks with what it was given, remembers what it was told, and has Twilio's own
validator judge who signed it."""

import io
import math
import struct
import threading
import time
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import VoiceResponse

from expect import ACCOUNT, TOKEN, check

# How long something that the node should tell is waited for.
PATIENCE_SECONDS = 20.0


class Form(dict):
    """A form as web frameworks hand it over: a name may have several values."""

    def getlist(self, name):
        return self[name]


class App:
    def __init__(self):
        # Who signs for an account.
        self.tokens = {ACCOUNT: TOKEN}
        self.pages = {"tone.wav": (200, "audio/wav", tone())}
        self.told_all = []
        self.forged = []
        self.bell = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, page):
        return f"http://127.0.0.1:{self.server.server_port}/{page}"

    def says(self, page, response: VoiceResponse):
        """Answers a page with what the SDK's builder made, and says where it is."""
        self.pages[page] = (200, "text/xml", str(response).encode())
        return self.url(page)

    def told(self, page, times=1, **wanted):
        """What it was told on a page, so often at least, with these parameters."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.bell:
            while True:
                found = [told for at, told in self.told_all if at == page and wanted.items() <= told.items()]
                if len(found) >= times:
                    return found
                left = deadline - time.monotonic()
                heard = [(at, told.get("StatusCallbackEvent") or told.get("CallStatus")) for at, told in self.told_all]
                check(left > 0, f"/{page} was not asked {times} times with {wanted}, but {heard[-20:]}")
                self.bell.wait(left)

    def judge(self, method, target, body, signature):
        """Whether the account that a request is for has signed it, by Twilio's word; with a letter more, nobody has."""
        told = parse_qsl(urlsplit(target).query, keep_blank_values=True)
        told += parse_qsl(body, keep_blank_values=True)
        form = Form()
        for name, value in parse_qsl(body, keep_blank_values=True):
            form.setdefault(name, []).append(value)
        account = dict(told).get("AccountSid", ACCOUNT)
        validator = RequestValidator(self.tokens[account])
        url = self.url(target.lstrip("/"))
        is_theirs = validator.validate(url, form, signature)
        if not is_theirs or validator.validate(f"{url}x", form, signature):
            self.forged.append((method, target, account, signature))
        return dict(told)

    def handler(app):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                told = app.judge(self.command, self.path, body, self.headers.get("X-Twilio-Signature", ""))
                page = urlsplit(self.path).path.lstrip("/")
                status, kind, answer = app.pages.get(page, (200 if page.startswith("status") else 404, "text/plain", b""))
                with app.bell:
                    app.told_all.append((page, {**told, "method": self.command}))
                    app.bell.notify_all()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        return Handler


def tone():
    """A second of 700 Hz: 8 kHz, 16 bits, mono."""
    samples = (int(8000 * math.sin(n * 700 / 8000 * math.tau)) for n in range(8000))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()
