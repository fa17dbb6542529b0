"""Connections of probes as streams of octets, plain or by TLS."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from pointsman.healthcheck import tls as tls_files
from pointsman.healthcheck.connecting import answered_in, connect, opened
from pointsman.healthcheck.model import Failed, Outcome, Place, Tls

MOST = 1 << 20
"""Octets that a probe reads: who sends without end is not listened to without end."""
_AT_ONCE = 16_384
_RECORDS = (0x15, 0x16)
"""Types of what a TLS server may begin with: alert, handshake (RFC 8446, section 5.1)."""

_T = TypeVar("_T")


class Stream:
    """A connection without TLS."""

    protocol = ""
    """What ALPN has chosen; empty for nothing."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._left = MOST

    async def read(self) -> bytes:
        """Return what has come, at least one octet; nothing at the end."""
        data = await self._loop.sock_recv(self._sock, _AT_ONCE)
        self._left -= len(data)
        if self._left < 0:
            raise Failed(Outcome.BAD, f"sends more than {MOST >> 20} MiB")
        return data

    async def write(self, data: bytes) -> None:
        """Send all of it; that the other side has gone away is told by the next reading."""
        try:
            await self._loop.sock_sendall(self._sock, data)
        except ConnectionError:
            return  # What it has sent before says more: an early answer, or an alert of TLS.


class Encrypted(Stream):
    """A connection with TLS, which OpenSSL sees only the octets of."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> None:
        super().__init__(sock)
        self._name = name
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._begun = False
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        except (TypeError, ValueError) as error:
            raise Failed(Outcome.UNTRIED, f"no name for TLS: {name!r}") from error

    async def handshake(self) -> None:
        """Agree on keys, and look at the certificate."""
        try:
            await self._drive(self._tls.do_handshake)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise Failed(Outcome.BAD, "connection closed in the TLS handshake") from None
        self.protocol = self._tls.selected_alpn_protocol() or ""

    async def read(self) -> bytes:
        """Return what has come, at least one octet; nothing at the end, said or not."""
        try:
            return await self._drive(partial(self._tls.read, _AT_ONCE))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    async def write(self, data: bytes) -> None:
        """Send all of it, as a stream without TLS does."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[await self._drive(partial(self._tls.write, rest)) :]
        except ssl.SSLEOFError:
            return

    async def _drive(self, step: Callable[[], _T]) -> _T:
        """Repeat a step until OpenSSL has the octets that it needs."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise
            except ssl.SSLError as error:
                raise tls_files.failed(error, self._name) from error
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await super().write(data)

    async def _fill(self) -> None:
        data = await super().read()
        if not data:
            self._incoming.write_eof()
            return
        if not self._begun and data[0] not in _RECORDS:
            raise Failed(Outcome.BAD, "no TLS")
        self._begun = True
        self._incoming.write(data)


@asynccontextmanager
async def connected(
    place: Place, tls: Tls | None = None, host: str = "", alpn: tuple[str, ...] = ()
) -> AsyncIterator[Stream]:
    """Connect, and give the stream, to be used within the place's timeout; raises Failed.

    ``host``, with or without a port, is the name for TLS unless that says one.
    """
    until = asyncio.get_running_loop().time() + place.timeout
    context = tls_files.context(tls, alpn) if tls else None
    with opened(place, socket.SOCK_STREAM) as sock:
        await connect(sock, place)
        stream = Stream(sock)
        if tls and context:
            stream = Encrypted(sock, context, tls_files.server_name(tls, host, place))
            with answered_in(place, "TLS handshake"):
                async with asyncio.timeout_at(until):
                    await stream.handshake()
        with answered_in(place):
            async with asyncio.timeout_at(until):
                yield stream
