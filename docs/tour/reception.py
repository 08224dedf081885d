"""A conference that is told who comes and goes: greets each caller, alone, and says how many are there."""
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

PORT = int(os.environ.get("PORT", "5000"))
NODE = os.environ.get("NODE", "http://127.0.0.1:8080")


class ThisNode(TwilioHttpClient):
    """Sends what is meant for the API's usual host to the node."""

    def request(self, method, url, *args, **kwargs):
        here, there = urlsplit(NODE), urlsplit(url)
        return super().request(method, urlunsplit(there._replace(scheme=here.scheme, netloc=here.netloc)), *args, **kwargs)


node = Client(os.environ["SID"], os.environ["TOKEN"], http_client=ThisNode())
present = set()


def lobby(form, base):
    response = VoiceResponse()
    events = "start end join leave"
    response.dial().conference("lobby", beep=True, status_callback="/happens", status_callback_event=events)
    return response


def happens(form, base):
    event, call = form["StatusCallbackEvent"], form.get("CallSid")
    if event == "conference-start":
        print("lobby starts", flush=True)
    elif event == "conference-end":
        print("lobby ends:", form["ReasonConferenceEnded"], flush=True)
    else:
        present.add(call) if event == "participant-join" else present.discard(call)
        print(len(present), "in lobby", flush=True)
    if event == "participant-join":
        participant = node.conferences(form["ConferenceSid"]).participants(call)
        try:
            participant.update(announce_url=f"{base}/greeting")
        except TwilioRestException:
            pass  # They have left already.
    return VoiceResponse()


def greeting(form, base):
    response = VoiceResponse()
    response.say("Welcome to the lobby.")
    return response


class Reception(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages = {"/lobby": lobby, "/happens": happens, "/greeting": greeting}

    def do_POST(self):
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), True))
        base = f"http://{self.headers['Host']}"
        signature = self.headers["X-Twilio-Signature"]
        is_the_node = RequestValidator(os.environ["TOKEN"]).validate(base + self.path, form, signature)
        body = str(self.pages[self.path](form, base)).encode() if is_the_node else b""
        self.send_response(200 if is_the_node else 403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Reception).serve_forever()
