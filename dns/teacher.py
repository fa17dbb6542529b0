"""Teaches the native responder what the zones hold, and keeps it in step with them.

It is told of every name that is there, so that it can deny all others, and of the answers about
names that were asked for. What changes is taught anew at once: what was known stays known.
"""

import importlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TypeAlias

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

_Taught: TypeAlias = tuple[int, list[bytes], list[str]]


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
        self._teach(self.table.known(names))

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
        if not zone.has(name) or (self.table.known((name,)) and not self._is_whole(name)):
            return new
        self._teach((name,))
        return True

    def _is_whole(self, name: str) -> bool:
        """Tell whether the table can have all that a name has."""
        return all(records for _, records, _ in self._rendered(name) or ())

    def _deny(self, zone: Zone | Mirror) -> None:
        self._denying.add(zone.apex)
        self.table.deny(self._index[zone.apex], rendering.denial(zone))

    def _teach(self, names: Iterable[str]) -> None:
        """Teach what names have, and their targets with them, or forget those that are gone."""
        queue = [*names]
        made: dict[str, list[_Taught] | None] = dict.fromkeys(queue)
        for name in queue:
            made[name] = self._rendered(name)
            targets = {t for _, _, found in made[name] or () for t in found} - made.keys()
            new = targets.difference(self.table.known(targets))
            made.update(dict.fromkeys(new))
            queue += new
        # Targets first, and what is gone at last, so that no answer waits for its addresses.
        for name in reversed(queue):
            if (found := made[name]) is not None:
                zone = self._zones.of(name)
                assert zone is not None
                self.table.teach(name, self._index[zone.apex], found)
        for name in queue:
            if made[name] is None:
                self.table.forget(name)

    def _rendered(self, name: str) -> list[_Taught] | None:
        """Return what the table is to have of a name, None for one that is gone."""
        zone = self._zones.of(name)
        if zone is None or not zone.has(name):
            return None
        rrsets = []
        for type_ in zone.types(name):
            found = zone.rrset(name, type_)
            assert found is not None
            records, targets = rendering.led(zone, found)
            # Of a mirror a target may be too long, or be in a zone inside the mirror's.
            if any(len(t) >= wire.MOST_NAME or self._zones.of(t) is not zone for t in targets):
                records, targets = [], []
            rrsets.append((wire.TYPES[type_], records[:MOST_RECORDS], targets[:MOST_RECORDS]))
        return rrsets


def _networks(prefixes: Iterable[str]) -> Iterator[tuple[bytes, int]]:
    """Yield networks as the table has them: octets, those of IPv4 mapped to IPv6, and bits."""
    for network in map(ipaddress.ip_network, prefixes):
        if isinstance(network, ipaddress.IPv4Network):
            yield bytes(10) + b"\xff\xff" + network.network_address.packed, 96 + network.prefixlen
        elif network.prefixlen < 96 or not network.network_address.ipv4_mapped:
            # A client of IPv4 is in networks of IPv4 alone, however these are written.
            yield network.network_address.packed, network.prefixlen
