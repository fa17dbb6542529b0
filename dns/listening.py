"""Binds the sockets of listeners, and says what to do where an address can't be had."""

import errno
import socket

from pointsman.discovery.errors import Fatal


def bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """Return a non-blocking socket bound to an address; an IPv6 one takes IPv6 only.

    Raises Fatal when the address is taken, not there, or not allowed.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
    except OSError as error:
        found.close()
        raise Fatal(_advice(error, kind, address, port)) from error
    return found


def _advice(error: OSError, kind: socket.SocketKind, address: str, port: int) -> str:
    transport = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    where = f"{transport} {address}:{port}"
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
        case errno.EADDRNOTAVAIL:
            return f"{where} can't be bound: no interface of this host has that address"
    return f"{where} can't be bound: {error.strerror}"
