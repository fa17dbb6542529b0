"""Teaches the native responder what the zones hold, and keeps it in step with them.

It is told of every name that is there, so that it can deny all others, and of the answers about
names that were asked for. What changes is taught anew at once: what was known stays known.
"""

import importlib
import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping, Set

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


MOST_EXEMPT, MOST_ZONES = 256, 64
"""Networks and zones that a table has room for."""

MOST_RATE = 1_000_000_000
"""Answers a second: no limit is finer than a nanosecond."""


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
        second, and Python decides on more; -1 for no limit. There are MOST_ZONES at most.
        """
        from pointsman.dns import _native  # which may be missing

        served = sorted(zones.served, key=lambda zone: -len(zone.apex))
        self._index = {zone.apex: number for number, zone in enumerate(served)}
        named = [
            (zone.apex, self._index[zone.zone.apex if isinstance(zone, Mirror) else zone.apex])
            for zone in served
        ]
        # Clients of networks beyond that are exempted by Python.
        networks = [*_networks(exempt)][:MOST_EXEMPT]
        self.table = _native.Table(named, flags, udp_size, networks, min(rate, MOST_RATE))
        self._zones = zones
        self._counts = counts
        self._denying: set[str] = set()
        """Apexes of the zones in which it says no: those that were asked."""
        self._dependents: dict[str, tuple[str, ...]] = {}
        """By the name of a target: the names whose answers carry its addresses."""
        self._targets: dict[str, tuple[str, ...]] = {}
        """The other way round."""
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
        zones = [self._zones.at(apex) for apex in touched]
        moved = {z.apex: self._mark(z, touched[z.apex]) for z in zones if isinstance(z, Zone)}
        if not self._denying:  # nothing was asked yet
            return
        names = set().union(*touched.values())
        for zone in zones:
            if isinstance(zone, Mirror):
                names.update(map(zone.here, moved.get(zone.zone.apex, ())))
            else:
                names |= moved[zone.apex]
            if zone.apex in self._denying:
                self._deny(zone)
        names.update(*(self._dependents.get(name, ()) for name in [*names]))
        for name in self.table.known(names):
            self._teach(name)

    def _mark(self, zone: Zone, names: Iterable[str]) -> set[str]:
        """Tell which names are there; return those that came or went, some above what changed."""
        number, moved = self._index[zone.apex], set()
        for name in names:
            while self.table.mark(number, name, zone.has(name)):
                moved.add(name)
                if name == zone.apex:
                    break
                name = name.partition(".")[2]
        return moved

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
        self._depend(name, ())
        zone = self._zones.of(name)
        if zone is None or not zone.has(name):
            self.table.forget(name)
            return
        rrsets = []
        ours: list[str] = []
        for type_ in zone.types(name):
            found = zone.rrset(name, type_)
            assert found is not None
            targets = rendering.targets(found)
            ours += (target for target in targets if target.endswith(f".{zone.apex}"))
            extra = rendering.addresses(zone, targets, len(name) + 1)
            records = rendering.records(found)[:MOST_RECORDS]
            rrsets.append((wire.TYPES[type_], records, b"".join(extra), len(extra)))
        self.table.teach(name, self._index[zone.apex], rrsets)
        self._depend(name, ours)

    def _depend(self, name: str, targets: Iterable[str]) -> None:
        """Have an answer depend on these targets, and on no others."""
        for target in self._targets.pop(name, ()):
            others = tuple(other for other in self._dependents.pop(target) if other != name)
            if others:
                self._dependents[target] = others
        # A zone's own text of a name is taken, so that each is kept once.
        if found := tuple(map(sys.intern, dict.fromkeys(targets))):
            self._targets[name] = found
        for target in found:
            self._dependents[target] = (*self._dependents.get(target, ()), name)


def _networks(prefixes: Iterable[str]) -> Iterator[tuple[bytes, int]]:
    """Yield networks as the table has them: octets, those of IPv4 mapped to IPv6, and bits."""
    for network in map(ipaddress.ip_network, prefixes):
        if isinstance(network, ipaddress.IPv4Network):
            yield bytes(10) + b"\xff\xff" + network.network_address.packed, 96 + network.prefixlen
        elif network.prefixlen < 96 or not network.network_address.ipv4_mapped:
            # A client of IPv4 is in networks of IPv4 alone, however these are written.
            yield network.network_address.packed, network.prefixlen
