"""A UDP listener: packets in, packets out; knows nothing of what is in them.

Threads of the native responder may read in its place: then it has what they pass up.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pointsman.dns.counts import Counts
from pointsman.dns.endpoints import ANY
from pointsman.dns.listening import Bind, bound, widen
from pointsman.dns.query import Answer, Later
from pointsman.dns.threads import Control, Passed, Threads

if TYPE_CHECKING:
    from pointsman.dns._native import Table

BATCH = 64
"""Packets answered in one turn of the event loop, so that a flood leaves room for the rest."""

MOST = 4_096
"""Octets of a packet that are read; no query has more."""

IP_PKTINFO = 8
"""Of Linux (ip(7)); Python 3.11 has no name for it."""

ASKED = {
    socket.AF_INET: (socket.IPPROTO_IP, IP_PKTINFO, 1),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1),
}
"""The option that tells which of all addresses was asked."""

ROOM = socket.CMSG_SPACE(20)
"""Octets of what tells that: 12 for IPv4, 20 for IPv6."""

RECEIVE_BUFFER = 4 << 20
"""Octets that may wait in the kernel while the loop is busy elsewhere."""


class UdpListener:
    """Answers on one address until it is closed."""

    def __init__(
        self,
        address: str,
        port: int,
        answer: Callable[[bytes, str], Answer],
        counts: Counts | None = None,
        *,
        bind: Bind = bound,
    ) -> None:
        """Bind at once; raises Fatal, which says what to do, when it can't be had.

        ``answer`` takes a packet and the address it came from.
        """
        self.answer = answer
        self.shared = False
        """Whether others have the same socket, as the service manager does."""
        self._counts = counts or Counts()
        self._bind = bind
        self._host = address
        self._any = address in ANY.values()
        self._sockets = [self._prepared(bind(socket.SOCK_DGRAM, address, port))]
        """One, or one for each thread, among which the kernel spreads the clients."""
        self.address: tuple[str, int] = self._sockets[0].getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: Threads | None = None
        self._later: set[asyncio.Task[None]] = set()

    @property
    def spread(self) -> bool:
        """Whether it has several sockets."""
        return len(self._sockets) > 1

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sockets[0], self._ready)

    def serve(self, table: "Table | None", threads: int = 1) -> None:
        """Have as many threads of the native responder read once started; None reads by itself.

        Raises Fatal, with everything as before, when one can't be had.
        """
        assert self._loop is not None
        if table is not None and self._threads is not None and len(self._threads) == threads:
            self._threads.use(table)
            return
        before, count = len(self._sockets), threads if table else 1
        try:
            self._spread(count)
            new = Threads(table, self._sockets[:count], self._counts) if table else None
        except BaseException:
            self._gather(before)
            raise
        self._leave()
        self._threads = new
        self._gather(count)
        self._loop.add_reader(new.up if new else self._sockets[0], self._ready)

    def close(self) -> None:
        """Stop answering and give the address back; what has come before has its answer."""
        if self._loop is not None:
            for one in self._sockets:
                self._turn_away(one)
            self._leave()
            for one in self._sockets:
                self._drain(one)
        for task in self._later:
            task.cancel()
        for one in self._sockets:
            one.close()

    # Sockets.

    def _prepared(self, made: socket.socket) -> socket.socket:
        widen(made, RECEIVE_BUFFER)
        if self._any:
            made.setsockopt(*ASKED[made.family])
        return made

    def _spread(self, count: int) -> None:
        """Have so many sockets at least."""
        if count > 1 and not self.shared:
            self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        while len(self._sockets) < count:
            more = self._bind(socket.SOCK_DGRAM, self._host, self.address[1], shared=True)
            self._sockets.append(self._prepared(more))

    def _gather(self, count: int) -> None:
        """Have so many sockets at most."""
        while len(self._sockets) > count:
            one = self._sockets.pop()
            self._turn_away(one)
            self._drain(one)
            one.close()
        if count == 1 and not self.shared:
            self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)

    def _turn_away(self, one: socket.socket) -> None:
        """Have packets from here on go to whoever has the address beside this socket."""
        if not self.shared:
            with suppress(OSError):
                one.connect(one.getsockname())

    def _drain(self, one: socket.socket) -> None:
        """Answer what waits in a socket that gets no more; a shared one is read on by others."""
        while self._turn(one) == BATCH and not self.shared:
            pass

    def _leave(self) -> None:
        """Read no more, and end threads that do."""
        assert self._loop is not None
        if self._threads is None:
            self._loop.remove_reader(self._sockets[0])
            return
        self._loop.remove_reader(self._threads.up)
        self._threads.stop()
        while self._turn_each(self._threads.receive) == BATCH:
            pass
        self._threads.close()
        self._threads = None

    # Packets.

    def _ready(self) -> None:
        """Answer what has come; the time is taken for all together, as it costs, too."""
        started = perf_counter()
        threads = self._threads
        count = (
            self._turn_each(threads.receive)
            if threads is not None
            else self._turn(self._sockets[0])
        )
        if count:
            durations = self._counts.durations["udp"]
            durations.observe((perf_counter() - started) / count, count)

    def _turn(self, one: socket.socket) -> int:
        return self._turn_any(one) if self._any else self._turn_one(one)

    def _turn_one(self, one: socket.socket) -> int:
        receive, send, answered = one.recvfrom, one.sendto, self.answer
        for number in range(BATCH):
            try:
                query, client = receive(MOST)
                answer = answered(query, client[0])
                if isinstance(answer, bytes):
                    send(answer, client)
                elif answer is not None:
                    self._send_later(answer, client, ())
            except BlockingIOError:  # nothing more to read, or no room for the answer
                return number
            except OSError:  # a client that can't be reached, perhaps one answered before
                continue
        return BATCH

    def _turn_any(self, one: socket.socket) -> int:
        """Answer from the address that was asked: a client takes no answer from another."""

        def receive() -> Passed:
            query, asked, _, client = one.recvmsg(MOST, ROOM)
            return query, asked, client

        return self._turn_each(receive)

    def _turn_each(self, receive: Callable[[], Passed]) -> int:
        for number in range(BATCH):
            try:
                query, asked, client = receive()
                self._answer(query, client, _from(asked))
            except BlockingIOError:
                return number
            except OSError:
                continue
        return BATCH

    def _answer(self, query: bytes, client: Any, control: Sequence[Control]) -> None:
        answer = self.answer(query, client[0])
        if isinstance(answer, bytes):
            self._sockets[0].sendmsg([answer], control, 0, client)
        elif answer is not None:
            self._send_later(answer, client, control)

    def _send_later(self, answers: Later, client: Any, control: Sequence[Control]) -> None:
        task = asyncio.create_task(self._sent(answers, client, control))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _sent(self, answers: Later, client: Any, control: Sequence[Control]) -> None:
        async for answer in answers:
            with suppress(OSError):
                self._sockets[0].sendmsg([answer], control, 0, client)


def _from(asked: Sequence[Control]) -> list[Control]:
    """Return what has an answer leave from where its question came to, by what route it may."""
    for level, kind, data in asked:
        if level == socket.IPPROTO_IP:  # struct in_pktinfo: interface, source, destination
            return [(level, kind, bytes(4) + data[4:8] + bytes(4))]
        # struct in6_pktinfo: address, interface; the latter counts where the address is local to it
        local = ipaddress.IPv6Address(data[:16]).is_link_local
        return [(level, kind, data if local else data[:16] + bytes(4))]
    return []
