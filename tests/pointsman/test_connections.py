"""A connection may let us wait for so long, and there are so many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pointsman.connections import Connection, Connections


class Inner(asyncio.Protocol):
    """Stands for what does HTTP: it answers each piece of data when it is let."""

    def __init__(self, box: "Box") -> None:
        self.box = box
        self.tasks: list[asyncio.Task[None]] = []
        box.made.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\n"):
            self.tasks.append(asyncio.create_task(self.answer()))

    async def answer(self) -> None:
        async with self.box.all.handling(self.transport) as there:
            if there:
                await self.box.go.wait()
                self.transport.write(self.box.body)


class Box:
    def __init__(self, most: int = 2, patience: float = 60.0) -> None:
        self.all = Connections(lambda: most, lambda: patience)
        self.go = asyncio.Event()
        self.go.set()
        self.body = b"answer\n"
        self.made: list[Inner] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(Inner(self), self.all), "127.0.0.1", 0
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(port: int) -> Client:
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(client: Client) -> bytes:
    client[1].write(b"ask\n")
    return await client[0].readline()


async def ended(client: Client) -> bool:
    """Wait for the end of a connection."""
    try:
        async with asyncio.timeout(20):
            rest = await client[0].read()
    except ConnectionError:
        rest = b""
    finally:
        client[1].close()
    return not rest


def test_a_further_connection_ends_the_one_that_was_silent_longest() -> None:
    async def run() -> None:
        box = Box(most=2)
        async with box.serving() as port:
            first, second = await connect(port), await connect(port)
            assert [await ask(one) for one in (first, second, first)] == [b"answer\n"] * 3
            third = await connect(port)
            assert await ask(third) == b"answer\n"
            assert await ended(second)
            assert await ask(first) == b"answer\n"
            first[1].close()
            third[1].close()

    asyncio.run(run())


def test_none_that_waits_for_us_is_ended_for_a_further_one() -> None:
    async def run() -> None:
        box = Box(most=1)
        box.go.clear()
        async with box.serving() as port:
            first = await connect(port)
            first[1].write(b"ask\n")
            while not any(inner.tasks for inner in box.made):
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await ended(await connect(port))
            box.go.set()
            assert await first[0].readline() == b"answer\n"
            first[1].close()

    asyncio.run(run())


def test_what_is_being_answered_counts_although_its_client_has_gone() -> None:
    async def run() -> None:
        box = Box(most=1)
        box.go.clear()
        async with box.serving() as port:
            first = await connect(port)
            first[1].write(b"ask\n")
            while not any(inner.tasks for inner in box.made):
                await asyncio.sleep(0)
            gone = asyncio.Event()
            box.all.when_lost(box.made[0].transport, gone.set)
            first[1].close()
            await gone.wait()
            assert len(box.all) == 1
            assert await ended(await connect(port))
            box.go.set()
            await box.made[0].tasks[0]
            assert not len(box.all)
            box.all.when_lost(box.made[0].transport, gone.clear)  # at once
            assert not gone.is_set()

    asyncio.run(run())


def test_half_a_request_is_not_waited_for_long_however_it_trickles() -> None:
    async def run() -> None:
        box = Box(patience=0.05)
        async with box.serving() as port:
            slow = await connect(port)

            async def trickle() -> None:
                while True:
                    slow[1].write(b"x")
                    await asyncio.sleep(0.001)

            trickling = asyncio.create_task(trickle())
            assert await ended(slow)
            trickling.cancel()
            assert not len(box.all)

    asyncio.run(run())


def test_after_an_answer_there_is_more_time_than_for_a_request() -> None:
    async def run() -> None:
        box = Box(patience=0.02)
        async with box.serving() as port:
            kept, other = await connect(port), await connect(port)
            assert await ask(kept) == b"answer\n"
            assert await ended(other)  # which took longer than the patience
            assert await ask(kept) == b"answer\n"
            kept[1].close()

    asyncio.run(run())


def test_an_answer_that_is_left_unread_ends_the_connection_and_is_not_made_twice() -> None:
    async def run() -> None:
        box = Box(patience=0.05)
        box.body = b"x" * 20_000_000
        async with box.serving() as port:
            slow = await connect(port)
            slow[1].transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(20):
                slow[1].write(b"ask\n")
                await asyncio.sleep(0)
            while not box.made or not box.made[0].tasks:
                await asyncio.sleep(0)
            (inner,) = box.made
            async with asyncio.timeout(20):
                while not inner.transport.is_closing():
                    assert inner.transport.get_write_buffer_size() <= len(box.body)
                    await asyncio.sleep(0.001)
            slow[1].close()

    asyncio.run(run())
