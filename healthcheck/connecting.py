"""Opens the connections of probes, and says in words what came of them."""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pointsman.healthcheck.model import Failed, Outcome, Place

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 s. A probe's end sends RST, so that no thousands of ports stay in TIME_WAIT."""

_OURS = {
    errno.EADDRNOTAVAIL: "no local port is left",
    errno.EMFILE: "too many open files here",
    errno.ENFILE: "too many open files on this host",
    errno.ENOBUFS: "no buffer space is left here",
    errno.ENOMEM: "out of memory here",
    errno.ENETUNREACH: "this host has no route to it",
    errno.ENETDOWN: "this host's network is down",
    errno.EPERM: "this process may not set marks, or a firewall here forbids it",
    errno.EACCES: "a rule of this host forbids it",
    errno.EAFNOSUPPORT: "this host has no such network",
}
"""Errors that say something of this side, and nothing of the target."""


def failed(error: OSError) -> Failed:
    """Return what an error of a socket means for the target."""
    number = error.errno or 0
    if number in _OURS:
        return Failed(Outcome.UNTRIED, _OURS[number])
    if number == errno.ECONNREFUSED:
        return Failed(Outcome.REFUSED, "connection refused")
    if number in (errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT):
        return Failed(Outcome.UNREACHABLE, "host unreachable")
    if number in (errno.ECONNRESET, errno.EPIPE):
        return Failed(Outcome.BAD, "connection reset")
    return Failed(Outcome.BAD, error.strerror or str(error))


@contextmanager
def opened(place: Place, kind: socket.SocketKind) -> Iterator[socket.socket]:
    """Give a socket, not connected yet, whose packets carry the mark; raises Failed."""
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    try:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise failed(error) from error
    with sock:
        try:
            if place.mark:
                mark = struct.pack("I", place.mark)  # Python's own numbers are signed here.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise failed(error) from error
        yield sock


@contextmanager
def connected_in(place: Place) -> Iterator[None]:
    """Run the connecting; raises Failed as soon as it can't be done, or not in time."""
    try:
        yield
    except TimeoutError:
        raise Failed(Outcome.UNREACHABLE, f"no connection within {place.timeout:g} s") from None
    except OSError as error:
        raise failed(error) from error


async def connect(sock: socket.socket, place: Place) -> None:
    """Connect it within the place's timeout; raises Failed."""
    with connected_in(place):
        async with asyncio.timeout(place.timeout):
            await asyncio.get_running_loop().sock_connect(sock, (place.address, place.port))


@contextmanager
def answered_in(place: Place, what: str = "answer") -> Iterator[None]:
    """Run what comes after the connecting; raises Failed when the other side breaks it off."""
    try:
        yield
    except TimeoutError:
        raise Failed(Outcome.SLOW, f"no {what} within {place.timeout:g} s") from None
    except OSError as error:
        raise failed(error) from error
