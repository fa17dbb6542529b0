"""The DNS listeners of a configuration: opened, kept or closed as it asks."""

from collections.abc import Callable, Iterable

from pointsman.discovery import text
from pointsman.dns.answer import TCP_SIZE
from pointsman.dns.tcp import TcpListener
from pointsman.dns.udp import UdpListener

Answer = Callable[[bytes, int | None], bytes | None]


class Listeners:
    """UDP and TCP listeners by their address."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._open: dict[str, tuple[UdpListener, TcpListener]] = {}

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
        udp = UdpListener(host, port, lambda query: self._answer(query, None))
        try:
            return udp, TcpListener(host, port, lambda query: self._answer(query, TCP_SIZE))
        except BaseException:
            udp.close()
            raise


async def _close(udp: UdpListener, tcp: TcpListener) -> None:
    udp.close()
    await tcp.close()
