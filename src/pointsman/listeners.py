"""The DNS listeners of a configuration: opened, kept or closed as it asks."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from pointsman.discovery import text
from pointsman.dns.counts import Counts
from pointsman.dns.query import Answer
from pointsman.dns.tcp import TcpListener
from pointsman.dns.udp import UdpListener

Answering: TypeAlias = Callable[[bytes, str], Answer]
"""From a query and the client's address to its answer."""


def _silent(_data: bytes, _host: str) -> Answer:
    return None


class Listeners:
    """UDP and TCP listeners by their address."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._udp: Answering = _silent
        self._tcp: Answering = _silent
        self._open: dict[str, tuple[UdpListener, TcpListener]] = {}

    def answer_with(self, udp: Answering, tcp: Answering) -> None:
        """Answer by these from now on; before the first, no query has an answer."""
        self._udp, self._tcp = udp, tcp
        for packets, connections in self._open.values():
            packets.answer, connections.answer = udp, tcp

    async def listen(self, addresses: Iterable[str]) -> None:
        """Listen on exactly these; those that stay are not touched.

        Raises Fatal, having changed nothing, when one of them can't be had.
        """
        wanted = tuple(addresses)
        opened: dict[str, tuple[UdpListener, TcpListener]] = {}
        try:
            for address in wanted:
                if address not in self._open:
                    opened[address] = self._bound(address)
        except BaseException:
            for pair in opened.values():
                await _close(*pair)
            raise
        for udp, tcp in opened.values():
            udp.start()
            await tcp.start()
        for address in self._open.keys() - set(wanted):
            await _close(*self._open.pop(address))
        self._open |= opened

    async def close(self) -> None:
        """Close all."""
        await self.listen(())

    def _bound(self, address: str) -> tuple[UdpListener, TcpListener]:
        host, port = text.endpoint(address)
        udp = UdpListener(host, port, self._udp, self._counts.durations["udp"])
        try:
            return udp, TcpListener(host, port, self._tcp, counts=self._counts)
        except BaseException:
            udp.close()
            raise


async def _close(udp: UdpListener, tcp: TcpListener) -> None:
    udp.close()
    await tcp.close()
