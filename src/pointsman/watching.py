"""Server-sent events: what happens, to who watches (the HTML standard, section 9.2)."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from aiohttp import web

from pointsman.events import Event, Ring

BEAT = 15.0
"""Seconds of silence after which a comment is sent, so that nobody takes it for an end."""
AT_ONCE = 100
"""Events that are written at once. A watcher costs these and a place in the ring, no more."""


class Watchers:
    """All that watch now."""

    def __init__(self, ring: Ring, most: Callable[[], int], patience: Callable[[], float]) -> None:
        """``most`` may watch at once, and each may leave what it is sent unread for ``patience`` s.

        Both are asked for each time, as they are configured.
        """
        self._ring = ring
        self._most = most
        self._patience = patience
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def full(self) -> bool:
        """Tell whether nobody more may watch."""
        return len(self._tasks) >= self._most()

    async def serve(self, request: web.Request, since: int | None) -> web.StreamResponse:
        """Send every event after one, or from now on, until the client goes or reads no more."""
        at = self._ring.last if since is None else since
        reply = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        watching = asyncio.current_task()
        assert watching is not None
        self._tasks.add(watching)
        try:
            await self._send(request, reply, at)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # it has gone
        finally:
            self._tasks.discard(watching)
        return reply

    async def close(self, _: object = None) -> None:
        """End all, so that a server that ends need not wait for them."""
        for watching in self._tasks:
            watching.cancel()

    async def _send(self, request: web.Request, reply: web.StreamResponse, at: int) -> NoReturn:
        async with asyncio.timeout(self._patience()):
            await reply.prepare(request)
            await reply.write(b": what happens from here on\n\n")
        while True:
            page = self._ring.page(at, AT_ONCE)
            at = page.last
            if page.events:
                await self._write(reply, b"".join(map(framed, page.events)))
            try:
                async with asyncio.timeout(BEAT):
                    await self._ring.more(at)
            except TimeoutError:
                await self._write(reply, b": nothing new\n\n")

    async def _write(self, reply: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._patience()):
            await reply.write(data)


def framed(event: Event) -> bytes:
    """Return an event as a client of server-sent events reads it."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        event.id,
        event.kind.encode(),
        msgspec.json.encode(event),
    )
