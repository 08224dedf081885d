"""A menu for callers: 1 leads to the conference of support, 2 tells the time, anything else asks again."""
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Gather, VoiceResponse

PORT = int(os.environ.get("PORT", "5000"))


def menu():
    response = VoiceResponse()
    gather = Gather(num_digits=1, action="/chosen", timeout=10)
    gather.say("Press 1 for support, or 2 for the time.")
    response.append(gather)
    response.redirect("/menu")
    return response


def chosen(digits):
    response = VoiceResponse()
    if digits == "1":
        response.dial().conference("support")
    elif digits == "2":
        response.say(time.strftime("It is %H:%M."))
    else:
        response.redirect("/menu")
    return response


class Ivr(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), True))
        url = f"http://{self.headers['Host']}{self.path}"
        is_the_node = RequestValidator(os.environ["TOKEN"]).validate(url, form, self.headers["X-Twilio-Signature"])
        script = chosen(form.get("Digits")) if self.path == "/chosen" else menu()
        body = str(script).encode() if is_the_node else b""
        self.send_response(200 if is_the_node else 403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Ivr).serve_forever()
