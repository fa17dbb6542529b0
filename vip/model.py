"""Virtual servers, their real servers, and the changes between two tables of them."""

import enum
import errno
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from pointsman.discovery import text

ORDERED = "mh"
"""The scheduler whose choice depends on the order in which real servers were added."""


class Protocol(enum.IntEnum):
    """IP protocol numbers of what IPVS balances."""

    TCP = 6
    UDP = 17
    SCTP = 132

    def __str__(self) -> str:
        return self.name.lower()


class Forwarding(enum.IntEnum):
    """How a packet gets to its real server (``IP_VS_CONN_F_FWD_MASK`` in linux/ip_vs.h)."""

    MASQUERADE = 0
    LOCAL = 1
    TUNNEL = 2
    DIRECT = 3


class Key(msgspec.Struct, frozen=True, gc=False, order=True):
    """What tells virtual servers apart: protocol, address and port, or a firewall mark."""

    protocol: int = 0
    """0 for a firewall mark."""
    address: str = ""
    """IPv4 or IPv6 in its canonical text form; for a firewall mark ``0.0.0.0`` or ``::``."""
    port: int = 0
    fwmark: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def called(self, name: str) -> str:
        """Return how it is written with this name for its address."""
        if self.fwmark:
            return f"fwmark {self.fwmark} ipv{self.family}"
        return f"{Protocol(self.protocol)} {text.joined(name, self.port)}"

    def __str__(self) -> str:
        return self.called(self.address)


class Settings(msgspec.Struct, frozen=True, gc=False):
    """How a virtual server balances."""

    scheduler: str = "wlc"
    flags: int = 0
    """``IP_VS_SVC_F_*``: 1 persistent, 4 one packet, 8, 16 and 32 for the scheduler; never 2."""
    persistence: int = 0
    """Seconds; counts only with flag 1."""
    netmask: int = 0
    """Prefix length that persistence groups clients by; 0 for a single address (32 or 128)."""


class Endpoint(msgspec.Struct, frozen=True, gc=False, order=True):
    """Where a real server listens."""

    address: str
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return text.joined(self.address, self.port)


class RealServer(msgspec.Struct, frozen=True, gc=False):
    """How a real server takes part."""

    weight: int = 1
    forwarding: int = Forwarding.MASQUERADE
    upper: int = 0
    """No more connections than this; 0 for no limit."""
    lower: int = 0
    tunnel_type: int = 0
    tunnel_port: int = 0
    tunnel_flags: int = 0


class VirtualServer(msgspec.Struct, frozen=True):
    """A virtual server's settings and its real servers."""

    settings: Settings = Settings()
    real_servers: Mapping[Endpoint, RealServer] = {}


Table: TypeAlias = Mapping[Key, VirtualServer]


class Activity(msgspec.Struct, frozen=True, gc=False):
    """What went through a virtual server or to a real one, as the kernel counts it.

    The kernel works the counts and rates out every 2 s.
    """

    active: int = 0
    """Connections that are established; 0 for a virtual server."""
    inactive: int = 0
    """Connections that are not established yet, or end; 0 for a virtual server."""
    connections: int = 0
    """All since it was made, as are packets and bytes."""
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connection_rate: int = 0
    """Of a second, as are these."""
    bytes_in_rate: int = 0
    bytes_out_rate: int = 0


class AddServer(msgspec.Struct, frozen=True, gc=False):
    """Add a virtual server without real servers."""

    key: Key
    settings: Settings

    def __str__(self) -> str:
        return f"add {self.key} {self.settings.scheduler}"


class SetServer(msgspec.Struct, frozen=True, gc=False):
    """Replace the settings of a virtual server."""

    key: Key
    settings: Settings
    before: Settings | None = None
    """Those that it had, as far as is known; so it is of the others."""

    def __str__(self) -> str:
        return f"set {self.key} {self.settings.scheduler}"


class DeleteServer(msgspec.Struct, frozen=True, gc=False):
    """Delete a virtual server with all its real servers."""

    key: Key
    before: VirtualServer | None = None

    def __str__(self) -> str:
        return f"delete {self.key}"


class AddReal(msgspec.Struct, frozen=True, gc=False):
    """Add a real server to a virtual server."""

    key: Key
    endpoint: Endpoint
    real: RealServer

    def __str__(self) -> str:
        return f"add {self.key} -> {self.endpoint} weight {self.real.weight}"


class SetReal(msgspec.Struct, frozen=True, gc=False):
    """Replace how a real server takes part (all of it: the kernel resets what is not said)."""

    key: Key
    endpoint: Endpoint
    real: RealServer
    before: RealServer | None = None

    def __str__(self) -> str:
        return f"set {self.key} -> {self.endpoint} weight {self.real.weight}"


class DeleteReal(msgspec.Struct, frozen=True, gc=False):
    """Delete a real server."""

    key: Key
    endpoint: Endpoint
    before: RealServer | None = None

    def __str__(self) -> str:
        return f"delete {self.key} -> {self.endpoint}"


Change: TypeAlias = AddServer | SetServer | DeleteServer | AddReal | SetReal | DeleteReal


_MEANT = {
    errno.EPERM: "no right to",
    errno.ENOENT: "no such real server or scheduler",
    errno.ESRCH: "no such virtual server",
    errno.ENOMEM: "out of memory",
    errno.EEXIST: "there is one already",
    errno.EINVAL: "the kernel does not take these values",
    errno.EAFNOSUPPORT: "the kernel has no IPv6",
}
"""What errors mean as ip_vs uses them (ip_vs_genl_set_cmd in net/netfilter/ipvs/ip_vs_ctl.c)."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A change that the kernel refused."""

    change: Change
    errno: int

    def __str__(self) -> str:
        name = errno.errorcode.get(self.errno, f"errno {self.errno}")
        meant = _MEANT.get(self.errno)
        return f"{self.change}: {name}, {meant}" if meant else f"{self.change}: {name}"
