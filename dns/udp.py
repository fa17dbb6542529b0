"""A UDP listener: packets in, packets out; knows nothing of what is in them."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from pointsman.dns.listening import bound

BATCH = 64
"""Packets answered in one turn of the event loop, so that a flood leaves room for the rest."""

MOST = 65_535
"""Octets of a packet."""

IP_PKTINFO = 8
"""Of Linux (ip(7)); Python 3.11 has no name for it."""

ANY = {
    "0.0.0.0": (socket.IPPROTO_IP, IP_PKTINFO, 1),
    "::": (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1),
}
"""By address of all interfaces: the option that tells which of them was asked."""

ROOM = socket.CMSG_SPACE(20)
"""Octets of what tells that: 12 for IPv4, 20 for IPv6."""

Control: TypeAlias = tuple[int, int, bytes]
"""Level, kind and data of what goes with a packet (cmsg(3))."""

RECEIVE_BUFFER = 4 << 20
"""Octets that may wait in the kernel while the loop is busy elsewhere."""


class UdpListener:
    """Answers on one address until it is closed."""

    def __init__(self, address: str, port: int, answer: Callable[[bytes], bytes | None]) -> None:
        """Bind at once; raises Fatal, which says what to do, when it can't be had."""
        self._answer = answer
        self._socket = bound(socket.SOCK_DGRAM, address, port)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = self._ready_one
        if address in ANY:
            self._socket.setsockopt(*ANY[address])
            self._ready = self._ready_any

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._ready)

    def close(self) -> None:
        """Stop answering and give the address back."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _ready_one(self) -> None:
        for _ in range(BATCH):
            try:
                query, client = self._socket.recvfrom(MOST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error for an answer sent before
                continue
            answer = self._answer(query)
            if answer is not None:
                # A client that can't be reached, or a full buffer: it asks again.
                with suppress(OSError):
                    self._socket.sendto(answer, client)

    def _ready_any(self) -> None:
        """Answer from the address that was asked: a client takes no answer from another."""
        for _ in range(BATCH):
            try:
                query, asked, _, client = self._socket.recvmsg(MOST, ROOM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            answer = self._answer(query)
            if answer is not None:
                with suppress(OSError):
                    self._socket.sendmsg([answer], _from(asked), 0, client)


def _from(asked: Sequence[Control]) -> list[Control]:
    """Return what has an answer leave from where its question came to, by what route it may."""
    for level, kind, data in asked:
        if level == socket.IPPROTO_IP:  # struct in_pktinfo: interface, source, destination
            return [(level, kind, bytes(4) + data[4:8] + bytes(4))]
        # struct in6_pktinfo: address, interface; the latter counts where the address is local to it
        local = ipaddress.IPv6Address(data[:16]).is_link_local
        return [(level, kind, data if local else data[:16] + bytes(4))]
    return []
