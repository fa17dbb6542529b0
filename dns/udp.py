"""A UDP listener: packets in, packets out; knows nothing of what is in them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeAlias

from pointsman.dns.counts import Durations
from pointsman.dns.endpoints import ANY
from pointsman.dns.listening import Bind, bound, widen
from pointsman.dns.query import Answer, Later

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

Control: TypeAlias = tuple[int, int, bytes]
"""Level, kind and data of what goes with a packet (cmsg(3))."""

RECEIVE_BUFFER = 4 << 20
"""Octets that may wait in the kernel while the loop is busy elsewhere."""


class UdpListener:
    """Answers on one address until it is closed."""

    def __init__(
        self,
        address: str,
        port: int,
        answer: Callable[[bytes, str], Answer],
        durations: Durations | None = None,
        *,
        bind: Bind = bound,
    ) -> None:
        """Bind at once; raises Fatal, which says what to do, when it can't be had.

        ``answer`` takes a packet and the address it came from.
        """
        self.answer = answer
        self.shared = False
        """Whether others have the same socket, as the service manager does."""
        self._durations = durations or Durations()
        self._socket = bind(socket.SOCK_DGRAM, address, port)
        widen(self._socket, RECEIVE_BUFFER)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = self._turn_one
        self._later: set[asyncio.Task[None]] = set()
        if address in ANY.values():
            self._socket.setsockopt(*ASKED[self._socket.family])
            self._turn = self._turn_any

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._ready)

    def close(self) -> None:
        """Stop answering and give the address back; what has come before has its answer."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            if not self.shared:
                # From here on packets go to whoever has the address beside this.
                with suppress(OSError):
                    self._socket.connect(self._socket.getsockname())
            self._ready()
        for task in self._later:
            task.cancel()
        self._socket.close()

    def _ready(self) -> None:
        """Answer what has come; the time is taken for all together, as it costs, too."""
        started = perf_counter()
        count = self._turn()
        if count:
            self._durations.observe((perf_counter() - started) / count, count)

    def _turn_one(self) -> int:
        receive, send, answered = self._socket.recvfrom, self._socket.sendto, self.answer
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

    def _turn_any(self) -> int:
        """Answer from the address that was asked: a client takes no answer from another."""
        for number in range(BATCH):
            try:
                query, asked, _, client = self._socket.recvmsg(MOST, ROOM)
                answer = self.answer(query, client[0])
                if isinstance(answer, bytes):
                    self._socket.sendmsg([answer], _from(asked), 0, client)
                elif answer is not None:
                    self._send_later(answer, client, _from(asked))
            except BlockingIOError:
                return number
            except OSError:
                continue
        return BATCH

    def _send_later(self, answers: Later, client: Any, control: Sequence[Control]) -> None:
        task = asyncio.create_task(self._sent(answers, client, control))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _sent(self, answers: Later, client: Any, control: Sequence[Control]) -> None:
        async for answer in answers:
            with suppress(OSError):
                self._socket.sendmsg([answer], control, 0, client)


def _from(asked: Sequence[Control]) -> list[Control]:
    """Return what has an answer leave from where its question came to, by what route it may."""
    for level, kind, data in asked:
        if level == socket.IPPROTO_IP:  # struct in_pktinfo: interface, source, destination
            return [(level, kind, bytes(4) + data[4:8] + bytes(4))]
        # struct in6_pktinfo: address, interface; the latter counts where the address is local to it
        local = ipaddress.IPv6Address(data[:16]).is_link_local
        return [(level, kind, data if local else data[:16] + bytes(4))]
    return []
