"""The kernel's virtual servers, over a generic-netlink socket of our own."""

import errno
import os
import shutil
import socket
import struct
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Self

from pointsman.discovery.errors import Fatal, Transient
from pointsman.vip import activity, listing, messages, sync
from pointsman.vip.listing import Listing
from pointsman.vip.model import Activity, Change, Endpoint, Failure, Key, Table, VirtualServer
from pointsman.vip.sync import Daemon

BATCH = 160 * 1024
"""Octets sent at once: below what a socket's default send buffer (208 KiB) takes."""

_GENERIC, _CONTROL, _GET_FAMILY = 16, 0x10, 3  # NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY
_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 8 << 20
_LARGEST = 64 << 10
"""Octets; the kernel fills at most 32 KiB of a dump into one answer."""
_TIMEOUT = 10
"""Seconds; the kernel answers within the system call, so an answer that takes longer is lost."""

INTERRUPTIONS = 10
"""How often a dump is begun anew because somebody changed the table meanwhile."""
INTERRUPTED = "somebody changes the table of virtual servers faster than it can be read"

NO_RIGHT = (
    "programming IPVS needs CAP_NET_ADMIN: run as root, give the unit "
    "AmbientCapabilities=CAP_NET_ADMIN, or set vip.enabled = false to serve DNS only"
)
NO_IPVS = (
    "this kernel has no ip_vs: load it (`modprobe ip_vs`; in a container, on the host), "
    "or set vip.enabled = false to serve DNS only"
)


class Ipvs:
    """IPVS of the network namespace this is made in; blocking, for one thread at a time."""

    def __init__(self) -> None:
        """Open the socket; raises Fatal when there is no ip_vs here, or no right to it."""
        self.sent = 0
        """Messages that change something, sent so far."""
        self._listing = Listing()
        self._count = count(1)
        self._buffer = memoryview(bytearray(_LARGEST))
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _GENERIC
        )
        try:
            self._socket.bind((0, 0))
            # The kernel's own time limit: Python's would cost a poll(2) before each call.
            limit = struct.pack("@ll", _TIMEOUT, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._family = self._find_family()
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _RECEIVE_BUFFER)
            except PermissionError as error:
                raise Fatal(NO_RIGHT) from error
            self.info()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def table(self) -> Table:
        """Return all virtual servers with their real servers.

        Raises Transient when the kernel's answer can't be had whole.
        """
        for _ in range(INTERRUPTIONS):
            try:
                return dict(self._servers())
            except InterruptedError:
                continue  # somebody changed the table while we read it
            except ValueError as error:
                raise Transient(f"the kernel tells its table in another way: {error}") from error
        raise Transient(INTERRUPTED)

    def holds(self, table: Table) -> bool:
        """Tell, at little cost, whether this is the table there is.

        Thresholds and tunnels of real servers are taken for granted. Raises Transient when the
        kernel's answer can't be had whole.
        """
        try:
            found = dict(map(messages.read_service, self._dump(messages.GET_SERVICE)))
        except ValueError:
            return False
        if found != {key: server.settings for key, server in table.items()}:
            return False
        return self._listing.lists(listing.read(), table)

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Make all changes, in order; return those that the kernel refused.

        Only the last message of a batch asks to be acknowledged: errors come without being asked
        for. Raises Transient when answers were lost; the table must then be read again.
        """
        failures: list[Failure] = []
        waiting = deque(changes)
        while waiting:
            batch = bytearray()
            sent: dict[int, Change] = {}
            last = 0
            flags = 0
            while not flags:
                last = self._sequence()
                sent[last] = waiting.popleft()
                flags = 0 if waiting and len(batch) < BATCH else messages.ACK
                batch += messages.encode(sent[last], self._family, last, flags)
            self.sent += len(sent)
            self._send(bytes(batch))
            for sequence, code in self._outcomes(last):
                if code == errno.EPERM:
                    raise Fatal(NO_RIGHT)
                if code and sequence in sent:
                    failures.append(Failure(sent[sequence], code))
        return tuple(failures)

    def activity(self, keys: Iterable[Key]) -> dict[Key, dict[Endpoint, Activity]]:
        """Return what goes to the real servers of these virtual servers.

        Raises Transient when the kernel's answer can't be had whole.
        """
        found = {}
        for key in keys:
            bodies = self._dump(messages.GET_DEST, messages.service(key))
            found[key] = {messages.read_real(body)[0]: activity.of_real(body) for body in bodies}
        return found

    def traffic(self) -> dict[Key, Activity]:
        """Return what went through each virtual server.

        Raises Transient when the kernel's answer can't be had whole.
        """
        bodies = self._dump(messages.GET_SERVICE)
        return {messages.read_service(body)[0]: activity.of_service(body) for body in bodies}

    def flush(self) -> None:
        """Delete all virtual servers, of others as well."""
        self._command(messages.FLUSH)

    def info(self) -> tuple[str, int]:
        """Return the version of IPVS, as ``1.2.1``, and the size of its connection table."""
        (body,) = self._ask(messages.GET_INFO)
        found = messages.attributes(body[4:])
        (version,) = struct.unpack("=I", found[1])
        (size,) = struct.unpack("=I", found[2])
        return f"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}", size

    def timeouts(self) -> tuple[int, int, int]:
        """Return the idle timeouts of TCP, TCP after FIN, and UDP connections, in seconds."""
        (body,) = self._ask(messages.GET_CONFIG)
        found = messages.attributes(body[4:])
        tcp, fin, udp = (int(struct.unpack("=I", found[kind])[0]) for kind in (4, 5, 6))
        return tcp, fin, udp

    def set_timeouts(self, tcp: int = 0, tcp_fin: int = 0, udp: int = 0) -> None:
        """Set idle timeouts in seconds; 0 leaves one as it is."""
        self._command(messages.SET_CONFIG, messages.timeouts(tcp, tcp_fin, udp))

    def daemons(self) -> frozenset[Daemon]:
        """Return the daemons that synchronise connections."""
        return frozenset(map(sync.read, self._dump(sync.GET_DAEMON)))

    def start(self, daemon: Daemon) -> None:
        """Start one; raises Transient when there is one of its kind, or no such interface."""
        self._command(sync.NEW_DAEMON, sync.named(daemon))

    def stop(self, daemon: Daemon) -> None:
        """Stop one."""
        self._command(sync.DEL_DAEMON, sync.named(daemon))

    def _sequence(self) -> int:
        """Return a number that no waiting message has."""
        return next(self._count) & 0xFFFFFFFF

    def _find_family(self) -> int:
        """Return the number of the family, loading ip_vs when it isn't there."""
        for attempt in (1, 2):
            name = struct.pack("=HH5s3x", 9, 2, messages.FAMILY.encode() + b"\0")
            sequence = self._sequence()
            self._send(messages.request(_GET_FAMILY, _CONTROL, sequence, attributes=name))
            try:
                (body,) = self._replies(sequence)
            except FileNotFoundError as error:
                if attempt == 2 or not _load_module():
                    raise Fatal(NO_IPVS) from error
            else:
                return int(struct.unpack("=H", messages.attributes(body[4:])[1])[0])
        raise AssertionError("unreachable")

    def _servers(self) -> Iterator[tuple[Key, VirtualServer]]:
        for body in self._ask(messages.GET_SERVICE, flags=messages.DUMP):
            key, settings = messages.read_service(body)
            reals = self._ask(messages.GET_DEST, messages.service(key), messages.DUMP)
            # The kernel tells the newest first.
            yield key, VirtualServer(settings, dict(map(messages.read_real, reversed(reals))))

    def _dump(self, command: int, attributes: bytes = b"") -> list[bytes]:
        """Return the bodies of a dump; one that somebody's change interrupts is begun anew."""
        for _ in range(INTERRUPTIONS):
            with suppress(InterruptedError):
                return self._ask(command, attributes, messages.DUMP)
        raise Transient(INTERRUPTED)

    def _command(self, command: int, attributes: bytes = b"") -> None:
        """Send one message that changes something, and wait for its acknowledgement."""
        self.sent += 1
        self._ask(command, attributes)

    def _ask(self, command: int, attributes: bytes = b"", flags: int = messages.ACK) -> list[bytes]:
        """Send one message; return the bodies of what comes back.

        Raises InterruptedError when a dump met a change, Fatal without the right to ask, and
        Transient for any other error that the kernel answers with.
        """
        sequence = self._sequence()
        self._send(messages.request(command, self._family, sequence, flags, attributes))
        try:
            return self._replies(sequence)
        except InterruptedError:
            raise
        except PermissionError as error:
            raise Fatal(NO_RIGHT) from error
        except OSError as error:
            raise Transient(f"ip_vs refused a request: {error.strerror}") from error

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise Transient(f"netlink did not take a message: {error.strerror}") from error

    def _replies(self, sequence: int) -> list[bytes]:
        """Return the bodies of an answer up to its end; raises the OSError that it ends with."""
        bodies: list[bytes] = []
        interrupted = 0
        while True:
            for kind, flags, answered, body in messages.split(self._receive()):
                if answered != sequence:
                    continue  # left over from what was given up before
                interrupted |= flags & messages.INTERRUPTED
                if kind in (messages.ERROR, messages.DONE):
                    code = -int(struct.unpack_from("=i", body)[0]) if len(body) >= 4 else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                    if interrupted:
                        raise InterruptedError
                    return bodies
                bodies.append(body)

    def _outcomes(self, last: int) -> Iterator[tuple[int, int]]:
        """Yield sequence and error number of each outcome until that of the last message."""
        while True:
            for kind, _, sequence, body in messages.split(self._receive()):
                if kind == messages.ERROR:
                    yield sequence, -int(struct.unpack_from("=i", body)[0])
                    if sequence == last:
                        return

    def _receive(self) -> bytes:
        try:
            return bytes(self._buffer[: self._socket.recv_into(self._buffer)])
        except OSError as error:
            # ENOBUFS: answers were lost, though what was asked for was done. Those that are left
            # would leave no room for the next.
            with suppress(OSError):
                while True:
                    self._socket.recv_into(self._buffer, flags=socket.MSG_DONTWAIT)
            raise Transient(f"netlink gave no whole answer: {error.strerror or error}") from error


def _load_module() -> bool:
    """Try to load ip_vs; return whether it may be there now."""
    modprobe = shutil.which("modprobe", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if modprobe is None:
        return False
    done = subprocess.run([modprobe, "ip_vs"], capture_output=True, check=False)
    return done.returncode == 0
