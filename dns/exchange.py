"""One question to one upstream: over UDP, and over TCP where that does not give the whole answer.

Each question has a socket of its own, so that the kernel gives it a port by chance and takes
nothing from another address (RFC 5452 section 9).
"""

import asyncio
import errno
import secrets
import socket
from contextlib import suppress
from typing import Protocol

from pointsman.dns import message, reply, wire
from pointsman.dns.listening import place
from pointsman.dns.reply import Reply

UDP_SIZE = 1232
"""Octets that an answer over UDP may have, as we say in ours."""

RESEND = 0.4
"""Seconds until a question is sent again; twice that until the next time, and so on."""

MOST_STRANGE = 16
"""Packets from the upstream's address that answer something else.

Somebody is guessing, then; over TCP nobody can.
"""

TIMEOUT, UNREACHABLE, DAMAGED, SOCKETS = "timeout", "unreachable", "damaged", "sockets"
"""Why there is no answer: the last is of this host, which has no more sockets."""

_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Exchange(Protocol):
    """How one upstream is asked."""

    async def __call__(
        self, host: str, port: int, question: bytes, flags: int, dnssec: int, timeout: float
    ) -> Reply | str:
        """Return what it says, or why it says nothing."""
        ...


async def ask(
    host: str, port: int, question: bytes, flags: int, dnssec: int, timeout: float
) -> Reply | str:
    """Return what an upstream says within so many seconds, or why it says nothing.

    ``flags`` go into the header; ``dnssec`` is the DO bit in its place.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    edns = message.opt(UDP_SIZE, dnssec)
    try:
        at = place(host, port)
        async with asyncio.timeout(timeout):
            found = await _asked(family, at, question, flags, edns)
            if found is not None and found.code in (wire.FORMERR, wire.NOTIMP) and not found.edns:
                # It is from before EDNS (RFC 6891 section 7).
                found = await _asked(family, at, question, flags, b"")
    except TimeoutError:
        return TIMEOUT
    except EOFError:
        return DAMAGED
    except OSError as error:
        return SOCKETS if error.errno in _OURS else UNREACHABLE
    return DAMAGED if found is None else found


async def _asked(
    family: int, at: tuple[str | int, ...], question: bytes, flags: int, edns: bytes
) -> Reply | None:
    """Return what an upstream says, None when it is damaged."""
    id_ = secrets.token_bytes(2)
    head = message.HEAD.pack(flags, 1, 0, 0, 1 if edns else 0)
    query = id_ + head + question + edns
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as udp:
        udp.connect(at)
        data = await _by_udp(udp, query, id_, question)
    found = None if not data or reply.truncated(data) else reply.read(data)
    if found is None:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as tcp:
            await asyncio.get_running_loop().sock_connect(tcp, at)
            data = await _by_tcp(tcp, query)
        found = reply.read(data) if reply.belongs(data, id_, question) else None
    return found


async def _by_udp(udp: socket.socket, query: bytes, id_: bytes, question: bytes) -> bytes:
    """Return the answer, "" when there was too much else; asks until it is cancelled."""
    loop = asyncio.get_running_loop()
    wait, strange = RESEND, 0
    while strange < MOST_STRANGE:
        with suppress(BlockingIOError):  # lost here already, that is
            udp.send(query)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while strange < MOST_STRANGE:
                    data = await loop.sock_recv(udp, 65_535)
                    if reply.belongs(data, id_, question):
                        return data
                    strange += 1
        wait *= 2
    return b""


async def _by_tcp(tcp: socket.socket, query: bytes) -> bytes:
    """Return the answer (RFC 7766 section 8); raises EOFError when it does not come in full."""
    await asyncio.get_running_loop().sock_sendall(tcp, len(query).to_bytes(2) + query)
    return await _exactly(tcp, int.from_bytes(await _exactly(tcp, 2)))


async def _exactly(tcp: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = await asyncio.get_running_loop().sock_recv(tcp, length - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)
