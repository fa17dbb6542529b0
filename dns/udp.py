"""A UDP listener: packets in, packets out; knows nothing of what is in them."""

import asyncio
import socket
from collections.abc import Callable

from pointsman.dns.listening import bound

BATCH = 64
"""Packets answered in one turn of the event loop, so that a flood leaves room for the rest."""

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

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._ready)

    def close(self) -> None:
        """Stop answering and give the address back."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _ready(self) -> None:
        for _ in range(BATCH):
            try:
                query, client = self._socket.recvfrom(65_535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error for an answer sent before
                continue
            answer = self._answer(query)
            if answer is None:
                continue
            try:
                self._socket.sendto(answer, client)
            except OSError:
                # The client can't be reached or our buffer is full: it asks again.
                continue
