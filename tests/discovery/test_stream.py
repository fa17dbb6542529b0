"""What a stream reader makes of bytes, silence and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, StreamReader
from aiohttp.base_protocol import BaseProtocol

from pointsman.discovery import v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Cluster
from pointsman.discovery.stream import Stream
from pointsman.doubles import framed

STREAM = (Path(__file__).parents[1] / "data/mesos/subscribe.recordio").read_bytes()


def reading(test: Callable[[StreamReader, Stream], Awaitable[None]], timeout: float = 5.0) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.connection_made(asyncio.Transport())
        content = StreamReader(protocol, 2**20, loop=loop)
        await test(content, Stream("10.0.0.1:5050", content, timeout))

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 7, 4096, len(STREAM)])
def test_the_state_and_all_events_come_wherever_the_chunks_are_cut(size: int) -> None:
    async def test(content: StreamReader, stream: Stream) -> None:
        for at in range(0, len(STREAM), size):
            content.feed_data(STREAM[at : at + size])
        content.feed_eof()
        assert len((await stream.begin(Cluster())).agents) == 2
        events = stream.events()
        said = [await anext(events) for _ in range(44)]
        assert isinstance(said[0], v1.Heartbeat)
        with pytest.raises(Transient, match=r"10\.0\.0\.1:5050 ended the stream"):
            await anext(events)

    reading(test)


def test_a_stream_must_begin_with_the_state() -> None:
    async def test(content: StreamReader, stream: Stream) -> None:
        content.feed_data(framed(b'{"type":"HEARTBEAT"}'))
        with pytest.raises(Transient, match="does not begin with the state"):
            await stream.begin(Cluster())

    reading(test)


def test_silence_before_the_state_is_a_transient_error() -> None:
    async def test(content: StreamReader, stream: Stream) -> None:
        content.feed_data(STREAM[:1000])
        with pytest.raises(Transient, match="silent"):
            await stream.begin(Cluster())

    reading(test, timeout=0.01)


def test_a_broken_connection_is_a_transient_error() -> None:
    async def test(content: StreamReader, stream: Stream) -> None:
        content.set_exception(ClientPayloadError("cut"))
        with pytest.raises(Transient, match=r"10\.0\.0\.1:5050: cut"):
            await stream.begin(Cluster())

    reading(test)
