"""Sockets that the service manager bound for this process (sd_listen_fds(3)).

They outlive the process: what clients send while it restarts waits in them.
"""

import logging
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from itertools import chain, repeat

from pointsman.discovery import text
from pointsman.dns import listening
from pointsman.dns.endpoints import ANY

log = logging.getLogger("pointsman")

FIRST = 3
"""The first descriptor that is handed over."""


class Handed:
    """What was handed over, for listeners to use in place of sockets of their own."""

    def __init__(self, *given: tuple[str, socket.socket]) -> None:
        """Take sockets by the name that the service manager has for them; they are closed here."""
        self._unused = list(given)
        self._used: list[socket.socket] = []

    def bound(
        self, kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
    ) -> socket.socket:
        """Return the socket that was handed over for this address, else a new one.

        A listener's socket is a copy: when it is closed the address stays ours, for the service
        manager keeps it, and so nobody could bind it anew. Raises Fatal when it can't be had.
        """
        for name, one in self._unused:
            if _serves(one, kind, address, port):
                self._unused.remove((name, one))
                self._used.append(one)
                break
        for one in self._used:
            if _serves(one, kind, address, port):
                copy = one.dup()
                copy.setblocking(False)
                return copy
        return listening.bound(kind, address, port, shared=shared)

    def owns(self, kind: socket.SocketKind, address: str, port: int) -> bool:
        """Tell whether a listener's socket for this address is a copy."""
        return any(_serves(one, kind, address, port) for one in self._used)

    def close_unused(self) -> None:
        """Close what no listener has asked for, and say so."""
        if self._unused:
            said = ", ".join(f"{_described(one)} ({name})" for name, one in self._unused)
            log.warning(
                "no listener for what the service manager handed over: %s; "
                "let dns.listen, http.listen and the .socket unit name the same addresses",
                said,
            )
        for _, one in self._unused:
            one.close()
        self._unused.clear()

    def close(self) -> None:
        """Close all; the service manager still has them."""
        for one in (*self._used, *(one for _, one in self._unused)):
            one.close()
        self._used.clear()
        self._unused.clear()


def handed(environ: MutableMapping[str, str], process: int) -> Handed:
    """Return what was handed over to the process of this id, as its environment says.

    The variables are taken out, so that no child believes to be meant.
    """
    meant, number, names = (
        environ.pop(key, "") for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    )
    if meant != str(process) or not number.isdigit():
        return Handed()
    given = []
    descriptors = range(FIRST, FIRST + int(number))
    for descriptor, name in zip(
        descriptors, chain(names.split(":"), repeat("unknown")), strict=False
    ):
        try:
            os.set_inheritable(descriptor, False)
            given.append((name, socket.socket(fileno=descriptor)))
        except OSError as error:
            log.warning("%s, handed over by the service manager: %s", name, error.strerror)
            with suppress(OSError):
                os.close(descriptor)
    return Handed(*given)


def dual(opened: socket.socket) -> bool:
    """Tell whether a socket takes IPv4 beside IPv6: its clients then look like ::ffff:10.0.0.1."""
    return opened.family == socket.AF_INET6 and not opened.getsockopt(
        socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
    )


def _serves(opened: socket.socket, kind: socket.SocketKind, address: str, port: int) -> bool:
    """Tell whether this is the socket of a listener; one for all of both families is for each."""
    if opened.type != kind or opened.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    host, *rest = opened.getsockname()
    there = (host.partition("%")[0], *rest)
    if address == ANY[4] and dual(opened):
        return there[:2] == (ANY[6], port)
    return there == listening.place(address, port)


def _described(opened: socket.socket) -> str:
    if opened.family not in (socket.AF_INET, socket.AF_INET6):
        return opened.family.name
    transport = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}
    return f"{transport.get(opened.type, '')} {text.joined(*opened.getsockname()[:2])}"
