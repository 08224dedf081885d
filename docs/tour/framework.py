"""An agent built with pipecat, an open framework for voice agents, over its serializer for Twilio's media streams. It says
back what it hears; a key interrupts what it still has to say. (pip install pipecat-ai)"""
import asyncio
import json
import os

from pipecat.frames.frames import InputAudioRawFrame, InputDTMFFrame, InterruptionFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner

PORT = int(os.environ.get("PORT", "5000"))


class PerStream(FrameSerializer):
    """Twilio's, made anew for each stream: it wants the stream's name, which comes in its first message."""

    twilio = None

    async def setup(self, setup):
        self.made_for = setup

    async def deserialize(self, data):
        message = json.loads(data)
        if message["event"] == "start":
            params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
            self.twilio = TwilioFrameSerializer(message["streamSid"], params=params)
            await self.twilio.setup(self.made_for)
        return await self.twilio.deserialize(data) if self.twilio else None

    async def serialize(self, frame):
        return await self.twilio.serialize(frame) if self.twilio else None


class Echo(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.push_frame(OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels))
        elif isinstance(frame, InputDTMFFrame):
            await self.push_frame(InterruptionFrame())
        else:
            await self.push_frame(frame, direction)


async def main():
    params = SingleClientWebsocketServerParams(
        serializer=PerStream(), audio_in_enabled=True, audio_in_passthrough=True, audio_out_enabled=True
    )
    transport = SingleClientWebsocketServerTransport(params, host="127.0.0.1", port=PORT)
    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    # 16 kHz within; the serializer makes of it what the stream has.
    rates = PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=16_000)
    runner = WorkerRunner()
    await runner.add_workers(PipelineWorker(pipeline, params=rates, idle_timeout_secs=None))
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
