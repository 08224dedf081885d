"""Listens to a call while it is on, and draws how loud each side is: listener.py CA..."""
import asyncio
import base64
import math
import os
import sys
from urllib.parse import urlsplit, urlunsplit

from aiohttp import WSMsgType, web
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

NODE = os.environ.get("NODE", "http://127.0.0.1:8080")
PORT = int(os.environ.get("PORT", "5000"))
URL = f"ws://127.0.0.1:{PORT}/media"


class ThisNode(TwilioHttpClient):
    """Sends what is meant for the API's usual host to the node."""

    def request(self, method, url, *args, **kwargs):
        here, there = urlsplit(NODE), urlsplit(url)
        return super().request(method, urlunsplit(there._replace(scheme=here.scheme, netloc=here.netloc)), *args, **kwargs)


def sample(byte):
    """Mu-law (G.711): a sign, three bits of exponent and four of mantissa, all inverted."""
    byte ^= 0xFF
    magnitude = (((byte & 0x0F) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -magnitude if byte & 0x80 else magnitude


def drawn(sound):
    """A mark for each 6 dB above what is next to silence."""
    power = sum(sample(byte) ** 2 for byte in sound) / len(sound)
    return "#" * int(math.log2(max(math.sqrt(power), 16) / 16))


async def media(request):
    is_the_node = RequestValidator(os.environ["TOKEN"]).validate(URL, {}, request.headers["X-Twilio-Signature"])
    if not is_the_node:
        raise web.HTTPForbidden()
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    heard = {"inbound": b"", "outbound": b""}
    async for message in socket:
        told = message.json() if message.type == WSMsgType.TEXT else {}
        if told.get("event") == "media":
            track = told["media"]["track"]
            heard[track] += base64.b64decode(told["media"]["payload"])
            if len(heard[track]) >= 8_000:
                print(f"{int(told['media']['timestamp']) / 1000:6.1f} s {track:8} {drawn(heard[track])}", flush=True)
                heard[track] = b""
        elif told.get("event") in ("start", "stop"):
            print(told["event"], told["streamSid"], flush=True)
    request.app["over"].set()
    return socket


async def main(call):
    app = web.Application()
    app["over"] = asyncio.Event()
    app.router.add_get("/media", media)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    node = Client(os.environ["SID"], os.environ["TOKEN"], http_client=ThisNode())
    await asyncio.to_thread(lambda: node.calls(call).streams.create(url=URL, track="both_tracks", name="listener"))
    await app["over"].wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
