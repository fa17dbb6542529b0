"""Brings this host's kernel to the wanted table: virtual servers, their routes, the masquerade."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from pointsman.vip.addresses import Range
from pointsman.vip.diff import diff
from pointsman.vip.model import Change, DeleteServer, Failure, Table
from pointsman.vip.owned import Memory, Owned
from pointsman.vip.sysctl import BALANCING, MASQUERADING


class Servers(Protocol):
    """Virtual servers of a kernel: ``netlink.Ipvs``, or its double ``memory.MemoryIpvs``."""

    def table(self) -> Table:
        """Return what is there now."""
        ...

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Make all changes, in order; return those that were refused."""
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
    """The masquerade: ``masquerade.Masquerade``."""

    def ensure(self) -> int:
        """Add what is missing; return how much."""
        ...

    def remove(self) -> int:
        """Remove all of it; return how many rules there were."""
        ...


class Settings(Protocol):
    """Kernel settings: ``sysctl.Sysctl``."""

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Write what differs; return the values before, of those written."""
        ...


class Report(msgspec.Struct, frozen=True):
    """What one synchronisation did."""

    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    surroundings: int = 0
    """Changes of links, routes, rules and settings."""


class Kernel:
    """The only thing that changes the kernel; blocking, for one thread at a time."""

    def __init__(
        self,
        servers: Servers,
        routes: Routes,
        rules: Rules | None,
        settings: Settings,
        owned: Owned,
        ranges: Sequence[Range],
    ) -> None:
        """``rules`` is None where nothing is to be masqueraded."""
        self._servers = servers
        self._routes = routes
        self._rules = rules
        self._settings = settings
        self._owned = owned
        self._ranges = frozenset(ranges)

    def sync(self, table: Table) -> Report:
        """Make the kernel's table equal to this one; virtual servers of others stay as they are.

        A virtual server is ours when its address lies in our ranges, or a label names it, or did
        until now. Raises Transient when the kernel can't be asked.
        """
        ours = Memory(ranges=self._ranges)
        ours = Memory(frozenset(key for key in table if not ours.covers(key)), self._ranges)
        # Remembered before they are made, so that a crash in between leaves nothing behind.
        self._owned.keep(self._owned.memory | ours)
        changes = diff(self._servers.table(), table, self._owned.memory.covers)
        failures = self._servers.apply(changes) if changes else ()
        # Routes come last: a VIP is reachable once it is whole, and clients of one that ends get a
        # reset rather than silence.
        surroundings = self._routes.sync(sorted({key.address for key in ours.keys}))
        if not failures:
            self._owned.keep(Memory(ours.keys, ours.ranges, self._owned.memory.sysctls))
        return Report(changes, failures, surroundings)

    def prepare(self) -> Report:
        """Set what virtual servers need around them, where it isn't set.

        Raises Transient when the kernel refuses.
        """
        wanted = BALANCING | (MASQUERADING if self._rules else {})
        before = self._settings.ensure(wanted)
        if before:
            # Of a setting written twice the first value is the one that was there before us.
            memory = self._owned.memory
            self._owned.keep(Memory(memory.keys, memory.ranges, before | memory.sysctls))
        rules = self._rules.ensure() if self._rules else 0
        return Report(surroundings=len(before) + rules)

    def flush(self) -> Report:
        """Remove everything that was made here, and set settings back to what they were."""
        memory = self._owned.memory | Memory(ranges=self._ranges)
        changes = tuple(DeleteServer(k) for k in sorted(self._servers.table()) if memory.covers(k))
        failures = self._servers.apply(changes) if changes else ()
        removed = self._routes.remove() + (self._rules.remove() if self._rules else 0)
        restored = self._settings.ensure(memory.sysctls)
        if not failures:
            self._owned.keep(Memory())
        return Report(changes, failures, removed + len(restored))
