"""A TCP listener: messages behind their length, many on one connection (RFC 7766)."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from time import perf_counter

from pointsman.dns.counts import Counts
from pointsman.dns.listening import Bind, bound
from pointsman.dns.query import Answer, Later

MOST_CONNECTIONS = 256
MOST_PER_CLIENT = 32
IDLE = 10.0
"""Seconds that a connection may be silent, or a client may leave its answers unread."""

TURN = 16
"""Messages answered for one client before all others have their turn."""

MOST_PENDING = 64
"""Answers of one connection that may be on their way at once; then nothing more is read."""

BACKLOG = 256


class Connections:
    """The connections of all listeners together, and how many there may be.

    The limits may be changed while they run.
    """

    def __init__(
        self,
        counts: Counts | None = None,
        *,
        most: int = MOST_CONNECTIONS,
        per_client: int = MOST_PER_CLIENT,
        idle: float = IDLE,
    ) -> None:
        self.counts = counts or Counts()
        self.most, self.per_client, self.idle = most, per_client, idle
        self._open: set[_Connection] = set()
        self._clients: Counter[str] = Counter()

    def admit(self, connection: "_Connection") -> bool:
        """Take a connection, if its client may have one more; the stalest makes room for it."""
        if self._clients[connection.client] >= self.per_client:
            self.counts.dropped["tcp_per_client"] += 1
            return False
        while len(self._open) >= self.most:
            self.counts.dropped["tcp_connections"] += 1
            min(self._open, key=lambda one: one.heard).abort()
        self._open.add(connection)
        self._clients[connection.client] += 1
        return True

    def forget(self, connection: "_Connection") -> None:
        """Give the place of a connection back."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._clients[connection.client] -= 1
        if not self._clients[connection.client]:
            del self._clients[connection.client]

    def end(self, listener: "TcpListener") -> None:
        """End those of one listener."""
        for connection in [one for one in self._open if one.listener is listener]:
            connection.abort()


class TcpListener:
    """Answers on one address until it is closed."""

    def __init__(
        self,
        address: str,
        port: int,
        answer: Callable[[bytes, str], Answer],
        connections: Connections | None = None,
        *,
        bind: Bind = bound,
    ) -> None:
        """Bind at once; raises Fatal, which says what to do, when it can't be had.

        ``answer`` takes a message and the address it came from.
        """
        self.answer = answer
        self.connections = connections or Connections()
        self._socket = bind(socket.SOCK_STREAM, address, port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer, in the running event loop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), sock=self._socket, backlog=BACKLOG
        )

    async def close(self) -> None:
        """Stop answering, end all connections and give the address back."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        self.connections.end(self)
        await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, listener: TcpListener) -> None:
        self.listener = listener
        self._all = listener.connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._ended = False
        """Whether the client has said all it will."""
        self._scheduled = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._pending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.client = ""
        self.heard = self._loop.time()
        """When it last did what keeps a connection: asked in full, or took an answer."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.client = (transport.get_extra_info("peername") or ("",))[0]
        if not self.client or not self._all.admit(self):  # one without an address has gone again
            transport.abort()
            return
        self._timer = self._loop.call_later(self._all.idle, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # its name is given
        self._all.forget(self)
        self._transport = None
        self._writable.set()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._pending:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._scheduled:
            self._turn()

    def eof_received(self) -> bool:
        self._ended = True
        if not self._scheduled:
            self._turn()
        return True  # the answers still go out

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self.heard = self._loop.time()
        self._writable.set()
        self._go_on()

    # The work.

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    def _turn(self) -> None:
        """Answer some of what has come; come back for the rest after the others."""
        self._scheduled = False
        if self._transport is None:
            return
        started = perf_counter()
        answered, out = 0, bytearray()
        while answered < TURN and self._may_read():
            length = int.from_bytes(self._received[:2])
            if len(self._received) < 2 + length or len(self._received) < 2:
                break
            data = bytes(self._received[2 : 2 + length])
            del self._received[: 2 + length]
            answer = self.listener.answer(data, self.client)
            if isinstance(answer, bytes):
                out += len(answer).to_bytes(2) + answer
                answered += 1
            elif answer is None:
                self._received.clear()
                self._ended = True
            else:
                self._send_later(answer)
            self.heard = self._loop.time()
        if out:
            self._transport.write(out)
        if answered:
            spent = (perf_counter() - started) / answered
            self._all.counts.durations["tcp"].observe(spent, answered)
        if answered == TURN:
            self._go_on()
        elif not self._may_read():
            self._transport.pause_reading()
        elif self._ended and not self._pending:
            self._transport.close()

    def _may_read(self) -> bool:
        return self._writable.is_set() and len(self._pending) < MOST_PENDING

    def _go_on(self) -> None:
        """Have the next turn soon."""
        if self._transport is not None and not self._scheduled and self._may_read():
            self._scheduled = True
            self._transport.resume_reading()
            self._loop.call_soon(self._turn)

    def _send_later(self, answers: Later) -> None:
        task = self._loop.create_task(self._sent(answers))
        self._pending.add(task)
        task.add_done_callback(self._done)

    async def _sent(self, answers: Later) -> None:
        """Send what comes, as fast as the client takes it, between the answers that are there."""
        async for answer in answers:
            await self._writable.wait()
            if self._transport is None:
                return
            self._transport.write(len(answer).to_bytes(2) + answer)
            self.heard = self._loop.time()
            await asyncio.sleep(0)  # between the messages of a transfer others have their turn

    def _done(self, task: asyncio.Task[None]) -> None:
        self._pending.discard(task)
        self._go_on()

    def _tick(self) -> None:
        """End a connection on which nothing has happened for too long."""
        left = self.heard + self._all.idle - self._loop.time()
        if self._pending and self._writable.is_set():
            left = self._all.idle  # it waits for us
        if left > 0:
            self._timer = self._loop.call_later(left, self._tick)
            return
        why = "tcp_idle" if self._writable.is_set() else "tcp_slow_reader"
        self._all.counts.dropped[why] += 1
        self.abort()
