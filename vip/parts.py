"""What a Kernel is made of, what it is asked for, and what it tells."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from pointsman.vip.addresses import Range
from pointsman.vip.model import Activity, Change, Endpoint, Failure, Key, Table
from pointsman.vip.owned import Memory
from pointsman.vip.sync import Daemon


class Servers(Protocol):
    """Virtual servers of a kernel: ``netlink.Ipvs``, or its double ``memory.MemoryIpvs``."""

    def table(self) -> Table:
        """Return what is there now."""
        ...

    def holds(self, table: Table) -> bool:
        """Tell, at little cost, whether this is the table there is, as far as that tells."""
        ...

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Make all changes, in order; return those that were refused."""
        ...

    def activity(self, keys: Iterable[Key]) -> Mapping[Key, Mapping[Endpoint, Activity]]:
        """Return what goes to the real servers of these virtual servers."""
        ...

    def traffic(self) -> Mapping[Key, Activity]:
        """Return what went through each virtual server."""
        ...

    def timeouts(self) -> tuple[int, int, int]:
        """Return the idle timeouts of TCP, TCP after FIN, and UDP connections, in seconds."""
        ...

    def set_timeouts(self, tcp: int = 0, tcp_fin: int = 0, udp: int = 0) -> None:
        """Set idle timeouts in seconds; 0 leaves one as it is."""
        ...

    def daemons(self) -> frozenset[Daemon]:
        """Return the daemons that synchronise connections."""
        ...

    def start(self, daemon: Daemon) -> None:
        """Start one; raises Transient when that can't be done."""
        ...

    def stop(self, daemon: Daemon) -> None:
        """Stop one."""
        ...


class Routes(Protocol):
    """The local routes of VIPs: ``link.Link``."""

    def sync(self, addresses: Sequence[str]) -> int:
        """Make exactly the ranges and these addresses local; return how many changes it took."""
        ...

    def remove(self) -> int:
        """Remove all of it; return how many links and routes there were."""
        ...


class Rules(Protocol):
    """What keeps others' rules and services away from VIPs: ``netfilter.Netfilter``."""

    def ensure(self, keys: Collection[Key]) -> int:
        """Make all of it right for exactly these virtual servers; return how many repairs."""
        ...

    def admit(self, keys: Iterable[Key]) -> int:
        """Make it right for these as well, which are about to be added."""
        ...

    def dismiss(self, keys: Iterable[Key]) -> int:
        """Make it right without these, which have been deleted."""
        ...

    def remove(self) -> int:
        """Remove all of it; return how much there was."""
        ...


class Settings(Protocol):
    """Kernel settings: ``sysctl.Sysctl``."""

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Write what differs; return the values before, of those written."""
        ...

    def forwarding6(self) -> Mapping[str, str]:
        """Return what forwarding of IPv6 packets needs."""
        ...

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """Return the values of those that are there."""
        ...


class Wants(msgspec.Struct, frozen=True):
    """What is wanted of a kernel besides virtual servers."""

    ranges: tuple[Range, ...] = ()
    sysctls: Mapping[str, str] = {}
    forwarding: bool = False
    """Other hosts' connections are forwarded: IPv6 VIPs need settings of their own."""
    timeouts: tuple[int, int, int] = (0, 0, 0)
    """Seconds for TCP, TCP after FIN, and UDP; 0 leaves one as it is."""
    boot: str = ""
    """Which boot this is."""
    daemons: frozenset[Daemon] = frozenset()
    """Those that are to synchronise connections."""


class Report(msgspec.Struct, frozen=True):
    """What one synchronisation did."""

    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    surroundings: int = 0
    """Changes of links, routes, rules and settings."""
    repaired: int = 0
    """Virtual servers and surroundings that somebody else had changed."""
    foreign: frozenset[Key] = frozenset()
    """Which virtual servers that were."""
    complaints: tuple[str, ...] = ()
    """What of the surroundings could not be had."""
    programmed: int = 0
    """Virtual servers of ours that the kernel has then."""
    draining: int = 0
    """Real servers that keep their connections and get no new ones."""
    wake: float | None = None
    """When there is more to do; None when there isn't."""


class Look(msgspec.Struct, frozen=True):
    """What there is of ours, and what goes through it."""

    table: Table = {}
    activity: Mapping[Key, Mapping[Endpoint, Activity]] = {}
    traffic: Mapping[Key, Activity] = {}
    deadlines: Mapping[tuple[Key, Endpoint], float] = {}
    """Until when real servers that get no new connections may keep those they have."""
    settings: Mapping[str, str] = {}
    """Kernel settings that matter, and timeouts, as they are now."""


class Memories(Protocol):
    """What is remembered between runs: ``owned.Owned``."""

    @property
    def memory(self) -> Memory:
        """What is remembered."""
        ...

    def keep(self, memory: Memory) -> None:
        """Remember exactly this."""
        ...
