"""Binds the sockets of listeners, and says what to do where an address can't be had."""

import errno
import socket
from typing import Protocol

from pointsman.discovery import text
from pointsman.discovery.errors import Fatal
from pointsman.dns.endpoints import Entry

# Of Linux (ip(7), ipv6(7), socket(7)); Python 3.11 has no names for them.
_FREEBIND = {
    socket.AF_INET: (socket.IPPROTO_IP, 15),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),
}
_RCVBUFFORCE, _SNDBUFFORCE = 33, 32


class Bind(Protocol):
    """How a listener comes by its socket: non-blocking, bound and listening; raises Fatal."""

    def __call__(
        self, kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
    ) -> socket.socket:
        """Return the socket of a listener at an address, with ``%2`` for a link-local one.

        ``shared`` is for another one at the same address (`bound`).
        """
        ...


def bound(
    kind: socket.SocketKind, address: str, port: int, *, shared: bool = False
) -> socket.socket:
    """Return a non-blocking socket bound to an address, listening; an IPv6 one takes IPv6 only.

    No interface need have the address yet: it is heard from the moment that one has. A link-local
    one has its interface's number or name, ``fe80::1%2``. ``shared`` is for an address that
    sockets of this user hold in part: 0.0.0.0 and 10.0.0.1, say; they must have SO_REUSEPORT.
    Raises Fatal when the address is taken or not allowed.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        found = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            found.setsockopt(*_FREEBIND[family], 1)
            if family == socket.AF_INET6:
                found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            found.bind(place(address, port))
            if kind == socket.SOCK_STREAM:
                found.listen()  # only now the port is ours alone
        except BaseException:
            found.close()
            raise
    except OSError as error:
        raise Fatal(_advice(error, kind, address, port)) from error
    return found


def here(address: str) -> bool:
    """Tell whether packets to an address reach this host now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(place(address, 0))
    except OSError:
        return False
    return True


def absent(entry: Entry) -> str:
    """Return why an entry of `dns.listen` is not answered on now; "" when it is."""
    if entry.interface:
        try:
            name = socket.if_indextoname(socket.if_nametoindex(entry.interface))
        except OSError:
            return f"there is no interface {entry.interface} yet; it is followed once there is"
        if name != entry.interface:
            return f"{entry.interface} is another name of {name}, by which it must be called here"
    host = f"{entry.host}%{entry.interface}" if entry.interface else entry.host
    if entry.host and not here(host):
        return f"no interface has {host} yet; it is answered on once one has"
    return ""


def widen(opened: socket.socket, octets: int, *, sending: bool = False) -> None:
    """Let so many octets wait in the kernel, or as many as this process may ask for."""
    size, forced = (socket.SO_SNDBUF, _SNDBUFFORCE) if sending else (socket.SO_RCVBUF, _RCVBUFFORCE)
    try:
        opened.setsockopt(socket.SOL_SOCKET, forced, octets)
    except PermissionError:
        # Asking could leave less than there is: a service manager may give more than we can.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, size, octets)
            most = probe.getsockopt(socket.SOL_SOCKET, size)
        if most > opened.getsockopt(socket.SOL_SOCKET, size):
            opened.setsockopt(socket.SOL_SOCKET, size, octets)


def place(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what the socket of an address is bound to; raises OSError for no such interface."""
    host, _, scope = address.partition("%")
    if ":" not in host:
        return host, port
    number = int(scope or 0) if scope.isdigit() or not scope else socket.if_nametoindex(scope)
    return host, port, 0, number


def _advice(error: OSError, kind: socket.SocketKind, address: str, port: int) -> str:
    transport = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    where = f"{transport} {text.joined(address, port)}"
    flag = "t" if kind == socket.SOCK_STREAM else "u"
    match error.errno:
        case errno.EADDRINUSE:
            holder = f"`ss -ln{flag}p sport = :{port}` shows what holds it"
            resolved = (
                " (systemd-resolved? bind this node's own address rather than 0.0.0.0,"
                " or set DNSStubListener=no)"
            )
            return f"{where} is taken: {holder}{resolved if port == 53 else ''}"
        case errno.EACCES:
            return (
                f"{where} is not allowed: a port below 1024 needs root or "
                "AmbientCapabilities=CAP_NET_BIND_SERVICE"
            )
        case errno.EAFNOSUPPORT | errno.EADDRNOTAVAIL if ":" in address:
            return f"{where} can't be bound: this host has no IPv6"
    return f"{where} can't be bound: {error.strerror or error}"
