"""Who watches gets every event, and who reads too slowly costs little and holds nobody up."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from pointsman.events import KEPT, Happening, Ring
from pointsman.watching import Watchers, framed


class Box:
    def __init__(self, patience: float = 60.0) -> None:
        self.ring = Ring()
        self.watchers = Watchers(self.ring, lambda: 2, lambda: patience)
        self.transports: list[asyncio.Transport] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.transports.append(request.transport)
        since = request.query.get("since")
        return await self.watchers.serve(request, int(since) if since else None)

    def happen(self, *what: str) -> None:
        self.ring.add((Happening("task", one) for one in what), 5.0)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[str, int]]:
        app = web.Application()
        app.router.add_get("/", self.handle)
        app.on_shutdown.append(self.watchers.close)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield runner.addresses[0][:2]
        finally:
            await runner.cleanup()


async def read(reply: aiohttp.ClientResponse, count: int) -> list[int]:
    """Return the ids of the next events."""
    found: list[int] = []
    while len(found) < count:
        line = await reply.content.readline()
        if line.startswith(b"id: "):
            found.append(int(line[4:]))
    return found


def test_an_event_is_framed_with_its_id_its_kind_and_json() -> None:
    ring = Ring()
    ring.add([Happening("name", "web\nx", "", "11.0.0.1", "why")], 5.0)
    (event,) = ring.page(0, 1).events
    id_, kind, data, *rest = framed(event).split(b"\n")
    assert (id_, kind, rest) == (b"id: 1", b"event: name", [b"", b""])
    assert json.loads(data.removeprefix(b"data: ")) == {
        "id": 1, "at": 5.0, "kind": "name", "what": "web\nx",
        "before": "", "after": "11.0.0.1", "why": "why",
    }  # fmt: skip


def test_a_watcher_gets_what_happens_from_then_on_or_since_an_event() -> None:
    async def run() -> None:
        box = Box()
        box.happen("a", "b", "c")
        async with box.serving() as (host, port), aiohttp.ClientSession() as session:
            url = f"http://{host}:{port}/"
            async with session.get(url) as now, session.get(f"{url}?since=1") as later:
                assert now.content_type == "text/event-stream"
                assert await now.content.readline() == b": what happens from here on\n"
                assert box.watchers.full
                box.happen("d")
                assert await read(later, 3) == [2, 3, 4]
                assert await read(now, 1) == [4]

    asyncio.run(run())


def test_a_watcher_that_does_not_read_costs_little_and_holds_nobody_up() -> None:
    async def run() -> None:
        box = Box()
        async with box.serving() as (host, port), aiohttp.ClientSession() as session:
            slow = socket.create_connection((host, port))
            slow.sendall(b"GET /?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            async with session.get(f"http://{host}:{port}/") as quick:
                large = "x" * 10_000
                for batch in range(50):  # 100 MB in all, of which the ring keeps 20
                    box.happen(*[large] * 200)
                    assert (await read(quick, 200))[-1] == (batch + 1) * 200
            (stalled, _) = box.transports
            # Not what was unread, but one batch of events and what is below the mark to wait at.
            assert stalled.get_write_buffer_size() < 2 * 100 * 11_000
            assert len(box.ring.page(0, KEPT).events) == KEPT
            slow.close()

    asyncio.run(run())


def test_a_watcher_that_does_not_read_in_time_is_let_go() -> None:
    async def run() -> None:
        box = Box(patience=0.05)
        async with box.serving() as (host, port):
            slow = socket.create_connection((host, port))
            slow.sendall(b"GET /?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            while not box.transports:
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                while not box.transports[0].is_closing():
                    box.happen("x" * 100_000)
                    await asyncio.sleep(0.001)
            slow.close()

    asyncio.run(run())
