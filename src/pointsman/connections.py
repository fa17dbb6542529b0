"""Limits of HTTP connections: how many there are, and how long one may keep us waiting.

aiohttp bounds the size of a request's head and does the rest of HTTP; what it does not bound is the
time for a head, for what a client leaves unread, and how many connections there are.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

IDLE = 75.0
"""Seconds that a connection may be without a request once it had one."""


class Connections:
    """All connections of a listener."""

    def __init__(self, most: Callable[[], int], patience: Callable[[], float]) -> None:
        """``most`` may be open, and each may let us wait ``patience`` s; asked for as they count.

        A further connection ends the one that has been silent longest.
        """
        self.patience = patience
        self._most = most
        self._open: dict[asyncio.BaseTransport, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Connection") -> bool:
        """Take one more; tell whether there is room for it."""
        if len(self._open) >= self._most():
            silent = [one for one in self._open.values() if not one.busy]
            if not silent:
                return False
            min(silent, key=lambda one: one.since).abort()
        self._open[connection.transport] = connection
        return True

    def remove(self, connection: "Connection") -> None:
        """Forget one; it may have been forgotten already."""
        self._open.pop(connection.transport, None)

    @asynccontextmanager
    async def handling(self, transport: asyncio.BaseTransport | None) -> AsyncIterator[bool]:
        """Mark a connection as one that waits for us; give False if it does not any more.

        Begins once its client has read most of what it was sent before, so that one that asks on
        and reads nothing costs no more than one answer.
        """
        connection = self._open.get(transport) if transport else None
        if connection is None:
            yield False
            return
        connection.busy = True
        try:
            async with asyncio.timeout(self.patience()):
                await connection.writable.wait()
        except TimeoutError:
            connection.abort()
        try:
            yield not connection.transport.is_closing()
        finally:
            connection.busy, connection.idle, connection.since = False, True, connection.now()
            if connection.lost:
                self.remove(connection)

    def when_lost(self, transport: asyncio.BaseTransport | None, call: Callable[[], Any]) -> None:
        """Call this once the client of a request that is being answered has gone."""
        connection = self._open.get(transport) if transport else None
        if connection is None or connection.lost:
            call()
        else:
            connection.when_lost = call


class Connection(asyncio.Protocol):
    """One connection, around the protocol that does HTTP."""

    transport: asyncio.Transport

    def __init__(self, inner: asyncio.Protocol, all_: Connections) -> None:
        self.busy = False
        """A request is being answered."""
        self.idle = False
        """One was, and of the next nothing has come."""
        self.lost = False
        """The client has gone."""
        self.when_lost: Callable[[], Any] = lambda: None
        self.since = 0.0
        """Since when it lets us wait, by the clock of the event loop."""
        self.writable = asyncio.Event()
        self.writable.set()
        self.now = asyncio.get_running_loop().time
        self._inner = inner
        self._all = all_
        self._unread = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.since = transport, self.now()
        if not self._all.add(self):
            transport.abort()
            return
        self._inner.connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.lost = True
        self.writable.set()
        if not self.busy:  # else it counts until its answer, which nobody reads, is made
            self._all.remove(self)
        self.when_lost()
        if self._timer:
            self._timer.cancel()
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some of a request."""
        if self.idle and not self.busy:
            self.idle, self.since = False, self.now()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Take the end of all requests."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Remember that the client does not read."""
        self.writable.clear()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Remember that it has read."""
        self.writable.set()
        self._inner.resume_writing()

    def abort(self) -> None:
        """End it at once, and give its place away."""
        self._all.remove(self)
        self.transport.abort()

    def _look(self) -> None:
        """End it if it has let us wait too long; look again when that may be so."""
        now, unread = self.now(), self.transport.get_write_buffer_size()
        if self.busy or unread != self._unread:
            self.since = now  # we let it wait, or it reads
        self._unread = unread
        patience = self._all.patience()
        left = self.since + (IDLE if self.idle and not unread else patience) - now
        if left <= 0:
            self.abort()
        else:
            again = min(left, patience)
            self._timer = asyncio.get_running_loop().call_later(again, self._look)
