"""Calls somebody, tells them something, waits until the call is over, and says how it went."""
import os
import sys
import time
from urllib.parse import urlsplit, urlunsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

NODE = os.environ.get("NODE", "http://127.0.0.1:8080")


class ThisNode(TwilioHttpClient):
    """Sends what is meant for the API's usual host to the node."""

    def request(self, method, url, *args, **kwargs):
        here, there = urlsplit(NODE), urlsplit(url)
        return super().request(method, urlunsplit(there._replace(scheme=here.scheme, netloc=here.netloc)), *args, **kwargs)


def main(to):
    node = Client(os.environ["SID"], os.environ["TOKEN"], http_client=ThisNode())
    script = VoiceResponse()
    script.say("Your table is ready.", loop=2)
    call = node.calls.create(to=to, from_="restaurant", twiml=str(script), timeout=30)
    print("calling", to, "as", call.sid, flush=True)
    while call.status not in ("completed", "busy", "no-answer", "failed", "canceled"):
        time.sleep(0.2)
        call = call.fetch()
    print(call.status, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
