"""Teaches the native responder what the zones hold, and keeps it in step with them.

It is told of every name that is there, so that it can deny all others, and of the answers about
names that were asked for. What changes is taught anew at once: what was known stays known.
"""

import importlib
import ipaddress
from collections.abc import Iterable, Mapping, Set

from pointsman.dns import rendering, wire
from pointsman.dns.counts import Counts
from pointsman.dns.zone import Mirror, Zone, Zones


def _missing() -> str:
    try:
        importlib.import_module("pointsman.dns._native")
    except ImportError as error:
        return str(error)
    return ""


MISSING = _missing()
"""Why there is no native responder; empty where there is one."""

MOST_RECORDS = 400
"""Of one rrset: more have no room in any answer over UDP, which is all that need be known."""


class Teacher:
    """A native table, and what it was taught."""

    def __init__(
        self,
        zones: Zones,
        counts: Counts,
        flags: int,
        udp_size: int,
        exempt: Iterable[str] = (),
        rate: int = -1,
    ) -> None:
        """Take what all answers have in common.

        To a network outside of the ``exempt`` ones, given as prefixes, ``rate`` answers go in a
        second, and Python decides on more; -1 for no limit.
        """
        from pointsman.dns import _native  # which may be missing

        served = sorted(zones.served, key=lambda zone: -len(zone.apex))
        self._index = {zone.apex: number for number, zone in enumerate(served)}
        named = [
            (zone.apex, self._index[zone.zone.apex if isinstance(zone, Mirror) else zone.apex])
            for zone in served
        ]
        networks = [_network(prefix) for prefix in exempt]
        self.table = _native.Table(named, flags, udp_size, networks, rate)
        self._zones = zones
        self._counts = counts
        self._denying: set[str] = set()
        """Apexes of the zones in which it says no: those that were asked."""
        self._dependents: dict[str, tuple[str, ...]] = {}
        """By the name of a target: the names whose answers carry its addresses."""
        counts.gather(self.table.counts)
        for zone in zones:
            self._mark(zone, zone.owners)

    def close(self) -> None:
        """Teach no more."""
        self._counts.let_go(self.table.counts)

    def answer(self, query: bytes) -> bytes | None:
        """Return the answer to a plain query about one of the zones, which is taught at once."""
        found = self.table.answer(query)
        if found is None and self._learns(query):
            found = self.table.answer(query)
        return found

    def follow(self, touched: Mapping[str, Set[str]]) -> None:
        """Take a change over: the names whose answers may differ, by the apex of their zone."""
        for apex in touched:
            zone = self._zones.at(apex)
            if isinstance(zone, Zone):
                self._mark(zone, touched[apex])
            if apex in self._denying:
                self._deny(zone)
        if self._denying:  # else nothing was asked yet
            names = set().union(*touched.values())
            names.update(*(self._dependents.pop(name, ()) for name in [*names]))
            for name in self.table.known(names):
                self._teach(name)

    def _mark(self, zone: Zone, names: Iterable[str]) -> None:
        """Tell which names are there; with a name those above it come and go."""
        number = self._index[zone.apex]
        for name in names:
            while self.table.mark(number, name, zone.has(name)) and name != zone.apex:
                name = name.partition(".")[2]

    def _learns(self, query: bytes) -> bool:
        """Teach what is asked for; return whether there was something to teach."""
        name = self.table.asked(query)
        zone = self._zones.of(name) if name else None
        if not name or zone is None or not zone.loaded:
            return False
        new = zone.apex not in self._denying
        if new:
            self._deny(zone)
        if zone.has(name) and not self.table.known((name,)):
            self._teach(name)
            return True
        return new

    def _deny(self, zone: Zone | Mirror) -> None:
        self._denying.add(zone.apex)
        self.table.deny(self._index[zone.apex], rendering.denial(zone))

    def _teach(self, name: str) -> None:
        """Teach all that is known of a name, or forget one that is gone."""
        zone = self._zones.of(name)
        if zone is None or not zone.has(name):
            self.table.forget(name)
            return
        rrsets = []
        for type_ in zone.types(name):
            found = zone.rrset(name, type_)
            assert found is not None
            targets = rendering.targets(found)
            self._depend(name, (t for t in targets if t.endswith(f".{zone.apex}")))
            extra = rendering.addresses(zone, targets, len(name) + 1)
            records = rendering.records(found)[:MOST_RECORDS]
            rrsets.append((wire.TYPES[type_], records, b"".join(extra), len(extra)))
        self.table.teach(name, self._index[zone.apex], rrsets)

    def _depend(self, name: str, targets: Iterable[str]) -> None:
        for target in targets:
            others = self._dependents.get(target, ())
            if name not in others:
                self._dependents[target] = (*others, name)


def _network(prefix: str) -> tuple[bytes, int]:
    """Return a network as the table has it: its octets, those of IPv4 mapped to IPv6, and bits."""
    network = ipaddress.ip_network(prefix)
    if network.version == 4:
        mapped = bytes(10) + b"\xff\xff" + network.network_address.packed
        return mapped, 96 + network.prefixlen
    return network.network_address.packed, network.prefixlen
