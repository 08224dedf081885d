"""An agent that says back to callers what they say, over a media stream. They hear themselves. The key * stops what is
still being said, and # ends the talk: the call goes on with what comes behind it in the script."""
import json
import os

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

PORT = int(os.environ.get("PORT", "5000"))
NODE = RequestValidator(os.environ["TOKEN"])


async def answer(request):
    form = dict(await request.post())
    if not NODE.validate(str(request.url), form, request.headers.get("X-Twilio-Signature", "")):
        raise web.HTTPForbidden
    response = VoiceResponse()
    connect = Connect()
    stream = connect.stream(url=f"ws://{request.host}/talk")
    stream.parameter(name="caller", value=form["From"])
    response.append(connect)
    response.say("Goodbye.")
    return web.Response(text=str(response), content_type="text/xml")


async def talk(request):
    if not NODE.validate(f"ws://{request.host}/talk", {}, request.headers.get("X-Twilio-Signature", "")):
        raise web.HTTPForbidden
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for frame in socket:
        if frame.type != WSMsgType.TEXT:
            continue
        message = json.loads(frame.data)
        sid = message.get("streamSid")
        match message["event"]:
            case "start":
                print("talks with", message["start"]["customParameters"]["caller"], flush=True)
                # It comes back when all that was said before it was heard.
                await socket.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "hello"}})
            case "media":
                sound = {"payload": message["media"]["payload"]}
                await socket.send_json({"event": "media", "streamSid": sid, "media": sound})
            case "mark":
                print("heard until", message["mark"]["name"], flush=True)
            case "dtmf" if message["dtmf"]["digit"] == "*":
                await socket.send_json({"event": "clear", "streamSid": sid})
            case "dtmf" if message["dtmf"]["digit"] == "#":
                await socket.close()
            case "stop":
                print("hung up", flush=True)
    return socket


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/talk-to-me", answer), web.get("/talk", talk)])
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)
