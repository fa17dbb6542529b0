"""Threads of the native responder that read the sockets of one address, and what they pass up."""

import socket
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pointsman.discovery.errors import Fatal
from pointsman.dns.counts import Counts
from pointsman.dns.listening import widen

if TYPE_CHECKING:
    from pointsman.dns._native import Table

MOST_THREADS = 64
"""Threads of one address."""

WAITING = 4 << 20
"""Octets of passed queries that may wait while the loop is busy elsewhere."""

Control: TypeAlias = tuple[int, int, bytes]
"""Level, kind and data of what goes with a packet (cmsg(3))."""

Passed: TypeAlias = tuple[bytes, list[Control], Any]
"""A packet, what went with it, and its client's address, as socket.recvmsg gives them."""

_HEADER = struct.Struct("@Nii")
"""Of struct cmsghdr."""

_V4 = struct.Struct("!2xH4s")
_V6 = struct.Struct("!2xHI16s4s")
"""Of struct sockaddr_in and sockaddr_in6 without the family; the scope is in the host's order."""

_MOST_OCTETS = 2 + 28 + 40 + 4_096


class Threads:
    """A thread for each socket, until they are closed."""

    def __init__(self, table: "Table", sockets: Sequence[socket.socket], counts: Counts) -> None:
        """Start at once; raises Fatal when the system has no more threads or memory."""
        from pointsman.dns import _native  # which is there, as there is a table

        self._counts = counts
        self._servers: list[_native.Server] = []
        try:
            self.up, self._down = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        except OSError as error:
            raise _missing(error) from error
        try:
            self.up.setblocking(False)
            widen(self._down, WAITING, sending=True)
            for one in sockets:
                made = _native.Server(table, one.fileno(), self._down.fileno(), "dns")
                self._servers.append(made)
                counts.gather(made.counts)
        except OSError as error:
            self.close()
            raise _missing(error) from error

    def __len__(self) -> int:
        return len(self._servers)

    def use(self, table: "Table") -> None:
        """Answer from another table from now on."""
        for server in self._servers:
            server.use(table)

    def receive(self) -> Passed:
        """Return what was passed up next; raises BlockingIOError when there is nothing."""
        found = self.up.recv(_MOST_OCTETS)
        place, control = found[0] + 2, found[0] + found[1] + 2
        return found[control:], _controls(found[place:control]), _address(found[2:place])

    def stop(self) -> None:
        """End the threads; what they passed up can still be received."""
        for server in self._servers:
            server.stop()
            self._counts.let_go(server.counts)
        self._servers.clear()

    def close(self) -> None:
        """End the threads."""
        self.stop()
        self.up.close()
        self._down.close()


def _missing(error: OSError) -> Fatal:
    return Fatal(f"dns.threads: a thread can't be started: {error.strerror}")


def _address(found: bytes) -> Any:
    if len(found) == 16:
        port, host = _V4.unpack_from(found)
        return socket.inet_ntop(socket.AF_INET, host), port
    port, flow, host, scope = _V6.unpack(found)
    return socket.inet_ntop(socket.AF_INET6, host), port, flow, int.from_bytes(scope, sys.byteorder)


def _controls(found: bytes) -> list[Control]:
    """Return the one message that there may be: where the packet came to."""
    if len(found) < _HEADER.size:
        return []
    length, level, kind = _HEADER.unpack_from(found)
    return [(level, kind, found[_HEADER.size : length])]
