"""Network namespaces by name: a thread steps inside, opens its sockets, and steps out."""

import contextlib
import ctypes
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NEWNET = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Be in a namespace; sockets made there stay there. "" is where the thread is already.

    One without a name is given as ``/proc/PID/ns/net``.
    """
    if not name:
        yield
        return
    # Bare descriptors: a user-mode-linux takes long for each of a file object's system calls.
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(_path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def inode(name: str) -> int:
    """Tell a namespace from one of its name that is made later; raises OSError when none is."""
    return os.stat(_path(name)).st_ino if name else 0  # noqa: PTH116 - as above


def exists(name: str) -> bool:
    """Tell whether there is one of that name; "" is always."""
    return not name or Path(_path(name)).exists()


def _path(name: str) -> str:
    """Return the file of a namespace; of one without a name its path in /proc is given."""
    return os.path.join("/run/netns", name)  # noqa: PTH118 - as above


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def connect(name: str, address: str, port: int, timeout: float) -> socket.socket:
    """Open a TCP connection from inside a namespace."""
    with inside(name):
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    opened.settimeout(timeout)
    try:
        opened.connect((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def request(
    name: str,
    host: str,
    path: str,
    method: str = "GET",
    body: Any = None,
    timeout: float = 5.0,
    headers: Mapping[str, str] = {},
) -> tuple[int, bytes]:
    """Ask ``HOST:PORT`` over HTTP from inside a namespace; return status and body."""
    address, _, port = host.rpartition(":")
    connection = http.client.HTTPConnection(address, int(port), timeout=timeout)
    connection.sock = connect(name, address, int(port), timeout)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, dict(headers))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def ask(name: str, host: str, path: str, method: str = "GET", body: Any = None, **more: Any) -> Any:
    """Do the same; return the JSON of the answer. Raises OSError when it isn't 200."""
    status, answer = request(name, host, path, method, body, **more)
    if status != 200:
        raise OSError(f"{method} http://{host}{path}: {status} {answer[:200]!r}")
    return json.loads(answer)
