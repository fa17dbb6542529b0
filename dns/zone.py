"""A zone kept up to date by changes, and the choice of the zone that a name belongs to."""

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from pointsman.dns.journal import Journal, Line, Step
from pointsman.dns.records import Record, address_records

MOST_SERIAL = 1 << 32

Touched: TypeAlias = dict[str, set[str]]
"""Names whose answers may differ after a change, by the apex of their zone or mirror."""


class Soa(msgspec.Struct, frozen=True):
    """The start of a zone (RFC 1035 section 3.3.13), without its serial; times in seconds."""

    mname: str
    """Name of the nameserver, inside the zone."""
    rname: str
    """Mailbox of who runs it."""
    refresh: int = 60
    retry: int = 600
    expire: int = 86_400
    minimum: int = 60
    """How long to remember that a name is not there (RFC 2308 section 4)."""


class Rrset(msgspec.Struct, frozen=True, gc=False):
    """The records of one name and type (RFC 2181 section 5)."""

    name: str
    type: str
    ttl: int
    data: tuple[str, ...]
    """Sorted, so that the same content is the same value."""


class Zone:
    """The records under one apex; each counted, as several tasks may give the same one."""

    def __init__(
        self, apex: str, soa: Soa, ttl: int, nameservers: Iterable[str] = (), serial: int = 1
    ) -> None:
        """Take the apex with its last dot, the TTL of its own records, and their addresses."""
        self.apex = apex
        self.soa = soa
        self.ttl = ttl
        self.serial = serial % MOST_SERIAL
        self.loaded = False
        """Set by who publishes the first whole view; before, a server has no answer to give."""
        self.journal: Journal | None = None
        """Where each change is written down once the zone is loaded; None for nowhere."""
        self._copies: weakref.WeakSet[Zone] = weakref.WeakSet()
        """Copies that are in use: they have the lists of records in common with this."""
        self._records: dict[str, list[Record]] = {}
        """By name; a record stands as often as it was put in."""
        self._count = 0
        self._below: Counter[str] = Counter()
        """How many names with records lie below each name: the empty non-terminals."""
        self._claimed: Counter[str] = Counter()
        """How many records each name has by a claim, where it has any."""
        for record in address_records(soa.mname, nameservers, ttl):
            self._add(record)

    def __len__(self) -> int:
        return self._count

    @property
    def names(self) -> int:
        """How many names have records."""
        return len(self._records)

    @property
    def owners(self) -> Iterator[str]:
        """All names that have records, the apex first."""
        yield self.apex
        yield from self._records

    def update(self, removed: Iterable[Record], added: Iterable[Record]) -> set[str]:
        """Take records out and put records in; return the names whose answers may differ.

        A record counts as often as it was put in, and is gone when it was taken out as often.
        """
        if self.journal is None or not self.loaded:
            return self._changed(removed, added)
        removed, added = tuple(removed), tuple(added)
        names = {record.name for record in (*removed, *added)}
        # What is answered to a name that is claimed depends on whether it has names below it.
        above = {above for name in names for above in self._above(name)}
        names |= above & self._claimed.keys()
        serial, before = self.serial, self._lines(names)
        touched = self._changed(removed, added)
        if touched:
            after = self._lines(names)
            gone, new = sorted(before - after), sorted(after - before)
            self.journal.add(Step(serial, self.serial, tuple(gone), tuple(new)))
        return touched

    def _changed(self, removed: Iterable[Record], added: Iterable[Record]) -> set[str]:
        touched = set()
        for record in added:
            touched.add(record.name)
            touched.update(self._add(record))
        for record in removed:
            touched.add(record.name)
            touched.update(self._remove(record))
        if touched:
            self.serial = (self.serial + 1) % MOST_SERIAL
            touched.add(self.apex)
        return touched

    def copy(self) -> "Zone":
        """Return the zone as it is now, for its lines; what is in it is copied when it changes."""
        copied = Zone(self.apex, self.soa, self.ttl, (), self.serial)
        copied._records = dict(self._records)
        # Whether there are names below counts for those that are claimed alone.
        copied._below = Counter({n: self._below[n] for n in self._claimed if n in self._below})
        self._copies.add(copied)
        return copied

    def lines(self) -> Iterator[Line]:
        """Yield all records as they are answered, but the zone's SOA, in no order."""
        yield Line(self.apex, "NS", self.ttl, self.soa.mname)
        for name in self._records:
            yield from self._lines((name,))

    def _lines(self, names: Iterable[str]) -> set[Line]:
        return {
            Line(name, type_, rrset.ttl, data)
            for name in names
            if name != self.apex
            for type_ in self.types(name)
            if (rrset := self.rrset(name, type_))
            for data in rrset.data
        }

    def rrset(self, name: str, type_: str) -> Rrset | None:
        """Return the records to answer with: the preferred ones, all when there are none."""
        if name == self.apex:
            return self._own(type_)
        found = [record for record in self._served(name) if record.type == type_]
        if not found:
            return None
        served = [record for record in found if record.preferred] or found
        data = tuple(sorted({r.data for r in served}))
        return Rrset(name, type_, min(r.ttl for r in served), data)

    def types(self, name: str) -> list[str]:
        """Return the types that a name has, sorted."""
        if name == self.apex:
            return ["NS", "SOA"]
        return sorted({record.type for record in self._served(name)})

    def has(self, name: str) -> bool:
        """Tell whether a name is there, with records or as an empty non-terminal (RFC 8020)."""
        return name == self.apex or name in self._records or name in self._below

    def rrsets(self) -> Iterator[Rrset]:
        """Yield all that is answered, the zone's own first."""
        for name in (self.apex, *sorted(self._records)):
            for type_ in self.types(name):
                if found := self.rrset(name, type_):
                    yield found

    def _served(self, name: str) -> list[Record]:
        """Return a name's records: of several that claim it, those of the first by name.

        A name that has records of its own, or names below it, can't be claimed.
        """
        found = self._records.get(name, [])
        claims = {record.claim for record in found}
        if claims <= {""}:
            return found
        winner = "" if name in self._below else min(claims)
        return [record for record in found if record.claim == winner]

    def _own(self, type_: str) -> Rrset | None:
        soa = self.soa
        if type_ == "SOA":
            times = f"{soa.refresh} {soa.retry} {soa.expire} {soa.minimum}"
            data = f"{soa.mname} {soa.rname} {self.serial} {times}"
            return Rrset(self.apex, "SOA", self.ttl, (data,))
        if type_ == "NS":
            return Rrset(self.apex, "NS", self.ttl, (soa.mname,))
        return None

    def _add(self, record: Record) -> Iterable[str]:
        """Put a record in; return names above it whose answers may differ: it may end a claim."""
        self._count += 1
        if record.claim:
            self._claimed[record.name] += 1
        found = self._records.get(record.name)
        if found is not None:
            self._own_list(record.name, found).append(record)
            return ()
        self._records[record.name] = [record]
        above = [*self._above(record.name)]
        self._below.update(above)
        return filter(self._records.__contains__, above)

    def _own_list(self, name: str, found: list[Record]) -> list[Record]:
        """Return the list of a name's records, no copy of the zone having it as well."""
        if self._copies:
            found = self._records[name] = [*found]
        return found

    def _remove(self, record: Record) -> Iterable[str]:
        """Take a record out; return names above it whose answers may differ."""
        found = self._records.get(record.name, [])
        if record not in found:
            raise KeyError(f"{record} is not in the zone {self.apex}")
        found = self._own_list(record.name, found)
        found.remove(record)
        self._count -= 1
        if record.claim:
            self._claimed[record.name] -= 1
            if not self._claimed[record.name]:
                del self._claimed[record.name]
        if found:
            return ()
        del self._records[record.name]
        above = [*self._above(record.name)]
        for name in above:
            self._below[name] -= 1
            if not self._below[name]:
                del self._below[name]
        return filter(self._records.__contains__, above)

    def _above(self, name: str) -> Iterator[str]:
        """Yield the names between a name and the apex."""
        name = name.partition(".")[2]
        while len(name) > len(self.apex):
            yield name
            name = name.partition(".")[2]


class Mirror:
    """A zone under another apex: the same records, with the names in them renamed."""

    def __init__(self, apex: str, zone: Zone) -> None:
        self.apex = apex
        self.zone = zone

    @property
    def loaded(self) -> bool:
        """Whether the zone has its first whole view."""
        return self.zone.loaded

    @property
    def serial(self) -> int:
        """That of the zone."""
        return self.zone.serial

    @property
    def soa(self) -> Soa:
        """That of the zone, renamed."""
        soa = self.zone.soa
        return msgspec.structs.replace(soa, mname=self.here(soa.mname), rname=self.here(soa.rname))

    def here(self, name: str) -> str:
        """Return a name of the zone as it is in the mirror; others stay."""
        if name == self.zone.apex or name.endswith(f".{self.zone.apex}"):
            return name.removesuffix(self.zone.apex) + self.apex
        return name

    def rrset(self, name: str, type_: str) -> Rrset | None:
        """Return the zone's records of a name, renamed."""
        found = self.zone.rrset(self.there(name), type_)
        if found is None:
            return None
        data = tuple(" ".join(map(self.here, data.split(" "))) for data in found.data)
        return Rrset(name, type_, found.ttl, data)

    def types(self, name: str) -> list[str]:
        """Return the types that a name has, sorted."""
        return self.zone.types(self.there(name))

    def has(self, name: str) -> bool:
        """Tell whether a name is there."""
        return self.zone.has(self.there(name))

    def there(self, name: str) -> str:
        """Return a name of the mirror as it is in the zone."""
        return name.removesuffix(self.apex) + self.zone.apex


class Zones:
    """Several zones and mirrors; a name belongs to the one with the longest apex."""

    def __init__(self, *zones: Zone, mirrors: Iterable[Mirror] = ()) -> None:
        self._zones = {zone.apex: zone for zone in zones}
        self._mirrors = {mirror.apex: mirror for mirror in mirrors}

    def __iter__(self) -> Iterator[Zone]:
        return iter(self._zones.values())

    @property
    def served(self) -> Iterator[Zone | Mirror]:
        """All zones and mirrors."""
        yield from self._zones.values()
        yield from self._mirrors.values()

    def at(self, apex: str) -> Zone | Mirror:
        """Return the zone or mirror with an apex; raises KeyError."""
        found = self._zones.get(apex)
        return self._mirrors[apex] if found is None else found

    def of(self, name: str) -> Zone | Mirror | None:
        """Return the zone that a name belongs to, None when it is not ours."""
        while name:
            found = self._zones.get(name, self._mirrors.get(name))
            if found is not None:
                return found
            name = name.partition(".")[2]
        return None

    def rrset(self, name: str, type_: str) -> Rrset | None:
        """Return what is answered for a name."""
        zone = self.of(name)
        return zone.rrset(name, type_) if zone is not None else None

    def update(self, removed: Iterable[Record], added: Iterable[Record]) -> Touched:
        """Change each zone; return all names, those of mirrors too, whose answers may differ.

        A record that belongs to no zone is not published.
        """
        parts: dict[str, tuple[list[Record], list[Record]]] = {}
        for side, records in enumerate((removed, added)):
            for record in records:
                zone = self.of(record.name)
                if isinstance(zone, Zone):
                    parts.setdefault(zone.apex, ([], []))[side].append(record)
        touched = {}
        for apex, (old, new) in parts.items():
            touched[apex] = names = self._zones[apex].update(old, new)
            for mirror in self._mirrors.values():
                if mirror.zone.apex == apex:
                    touched[mirror.apex] = set(map(mirror.here, names))
        return touched
