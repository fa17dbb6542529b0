"""The DNS listeners of a configuration: opened, kept or closed as it and the interfaces ask."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pointsman.activation import Handed, dual
from pointsman.config import TcpConfig
from pointsman.discovery.errors import Fatal, Transient
from pointsman.dns.counts import Counts
from pointsman.dns.endpoints import Endpoint, Entry, endpoints, parse
from pointsman.dns.interfaces import Changes, addresses
from pointsman.dns.listening import absent
from pointsman.dns.query import Answer
from pointsman.dns.tcp import Connections, TcpListener
from pointsman.dns.udp import UdpListener

if TYPE_CHECKING:
    from pointsman.dns._native import Table

log = logging.getLogger("pointsman")
Answering: TypeAlias = Callable[[bytes, str], Answer]
"""From a query and the client's address to its answer."""

RETRY = 10.0
"""Seconds until an address that an interface has, and that can't be had, is tried again."""

MAPPED = "::ffff:"
"""How the address of an IPv4 client begins on a socket that takes IPv6, too."""


def _silent(_data: bytes, _host: str) -> Answer:
    return None


def _unmapped(answering: Answering) -> Answering:
    return lambda data, host: answering(data, host.removeprefix(MAPPED))


class _Answers(msgspec.Struct, frozen=True):
    """By what queries are answered."""

    udp: Answering = _silent
    tcp: Answering = _silent
    table: "Table | None" = None
    """What native threads answer from; None for none."""
    threads: int = 1


class _Pair(msgspec.Struct):
    """What listens at one endpoint."""

    udp: UdpListener
    tcp: TcpListener
    sockets: tuple[socket.socket, ...]

    def answer_with(self, answers: _Answers) -> None:
        """Answer by these, but for native threads, which begin with `serve`."""
        udp_socket, tcp_socket = self.sockets
        self.udp.answer = _unmapped(answers.udp) if dual(udp_socket) else answers.udp
        self.tcp.answer = _unmapped(answers.tcp) if dual(tcp_socket) else answers.tcp

    def serve(self, answers: _Answers) -> None:
        """Have native threads answer what they can, if there are to be any."""
        try:
            self.udp.serve(answers.table, answers.threads)
        except Fatal as error:
            log.warning("%s; all is answered in Python", error)
            self.udp.serve(None)

    def share(self, on: bool) -> None:
        for one, always in zip(self.sockets, (self.udp.spread, False), strict=True):
            if one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on or always)

    async def start(self, answers: _Answers) -> None:
        self.udp.start()
        self.serve(answers)
        await self.tcp.start()

    async def close(self) -> None:
        self.udp.close()
        await self.tcp.close()


class Listeners:
    """UDP and TCP listeners by where they listen."""

    def __init__(self, counts: Counts, handed: Handed | None = None) -> None:
        """``handed`` are sockets that the service manager has bound already."""
        self._counts = counts
        self._handed = handed or Handed()
        self._connections = Connections(counts)
        self._answers = _Answers()
        self._answering = False
        self._entries: tuple[Entry, ...] = ()
        self._open: dict[Endpoint, _Pair] = {}
        self._absent: set[str] = set()
        self._refused: set[str] = set()
        self._changing = asyncio.Lock()

    @property
    def open(self) -> tuple[Endpoint, ...]:
        """Where there is a listener now."""
        return tuple(self._open)

    async def answer_with(
        self, udp: Answering, tcp: Answering, table: "Table | None" = None, threads: int = 1
    ) -> None:
        """Answer by these from now on; before the first, queries wait in the kernel.

        With a ``table``, as many native threads for each address answer what is in it.
        """
        async with self._changing:
            self._answers = _Answers(udp, tcp, table, threads)
            for pair in self._open.values():
                pair.answer_with(self._answers)
                if self._answering:
                    pair.serve(self._answers)
                else:
                    await pair.start(self._answers)
            self._answering = True

    def limit(self, to: TcpConfig) -> None:
        """Have these limits for the connections of all listeners together."""
        all_ = self._connections
        all_.most, all_.per_client, all_.idle = to.connections, to.per_client, to.idle

    async def listen(self, values: Iterable[str]) -> None:
        """Listen on exactly these, as `dns.listen` has them; those that stay are not touched.

        Raises Fatal, having changed nothing, when one of them can't be had, and Transient when
        the interfaces can't be read.
        """
        entries = tuple(map(parse, values))
        async with self._changing:
            try:
                await self._become(await _wanted(entries))
            except Fatal as error:
                raise Fatal(f"dns.listen: {error}") from error
            self._entries = entries
            missing = {why for entry in entries if (why := absent(entry))}
            for why in sorted(missing - self._absent):
                log.warning("dns.listen: %s", why)
            self._absent = missing

    async def follow(self, changed: Callable[[], None] = lambda: None) -> None:
        """Listen on what interfaces have while their addresses come and go; runs until cancelled.

        ``changed`` is called after each change of where there is a listener.
        """
        try:
            changes = Changes()
        except Transient as error:
            log.warning("%s; `dns.listen` can name no interface", error)
            return
        with changes:
            told = self.open
            while True:
                try:
                    async with self._changing:
                        await self._catch_up()
                    if self.open != told:
                        changed()
                        told = self.open
                except Transient as error:
                    self._refuse({str(error)})
                await changes.wait(RETRY if self._refused else None)

    async def close(self) -> None:
        """Close all."""
        async with self._changing:
            await self._become(())

    async def _catch_up(self) -> None:
        """Open and close what the interfaces' addresses ask for; one refused keeps no other."""
        if not any(entry.interface for entry in self._entries):
            return
        wanted = await _wanted(self._entries)
        for gone in [endpoint for endpoint in self._open if endpoint not in wanted]:
            log.info("no longer listening on %s: no interface has it", gone)
        await self._become([endpoint for endpoint in self._open if endpoint in wanted])
        refused = set()
        for new in [endpoint for endpoint in wanted if endpoint not in self._open]:
            try:
                await self._become([*self._open, new])
            except Fatal as error:
                refused.add(str(error))
            else:
                log.info("listening on %s", new)
        self._refuse(refused)

    def _refuse(self, complaints: set[str]) -> None:
        for complaint in sorted(complaints - self._refused):
            log.warning("%s; it is tried again", complaint)
        self._refused = complaints

    async def _become(self, wanted: Iterable[Endpoint]) -> None:
        """Listen on exactly these; raises Fatal, having changed nothing, when one can't be had."""
        wanted = tuple(wanted)
        opened: dict[Endpoint, _Pair] = {}
        leaving = {at: pair for at, pair in self._open.items() if at not in wanted}
        # 0.0.0.0 and 10.0.0.1 exclude each other; here one begins before the other ends.
        shared = {at.port for at in leaving} & {at.port for at in wanted if at not in self._open}
        sharing = [pair for at, pair in leaving.items() if at.port in shared]
        try:
            for pair in sharing:
                pair.share(True)
            for at in wanted:
                if at not in self._open:
                    opened[at] = self._bound(at, at.port in shared)
                    sharing += [opened[at]] if at.port in shared else []
            for pair in opened.values() if self._answering else ():
                await pair.start(self._answers)
        except BaseException:
            for pair in opened.values():
                await pair.close()
            raise
        finally:
            for pair in sharing:
                pair.share(False)
        for at in leaving:
            await self._open.pop(at).close()
        self._open |= opened

    def _bound(self, at: Endpoint, sharing: bool) -> _Pair:
        sockets = []

        def bind(
            kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
        ) -> socket.socket:
            sockets.append(self._handed.bound(kind, address, port, shared=shared or sharing))
            return sockets[-1]

        udp = UdpListener(at.host, at.port, self._answers.udp, self._counts, bind=bind)
        udp.shared = self._handed.owns(socket.SOCK_DGRAM, at.host, at.port)
        try:
            tcp = TcpListener(at.host, at.port, self._answers.tcp, self._connections, bind=bind)
        except BaseException:
            udp.close()
            raise
        pair = _Pair(udp, tcp, tuple(sockets))
        pair.answer_with(self._answers)
        return pair


async def _wanted(entries: Iterable[Entry]) -> tuple[Endpoint, ...]:
    """Return what to bind now; raises Transient when the interfaces can't be read."""
    entries = tuple(entries)
    named = any(entry.interface for entry in entries)
    return endpoints(entries, await asyncio.to_thread(addresses) if named else ())
