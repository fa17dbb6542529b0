"""Zone transfers to secondaries: whole (RFC 5936), or what changed since a serial (RFC 1995)."""

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain
from typing import Annotated, TypeAlias

import msgspec

from pointsman.dns import message, wire
from pointsman.dns.counts import Counts
from pointsman.dns.journal import Line, Step, newer
from pointsman.dns.limit import Networks
from pointsman.dns.query import Answer, Query
from pointsman.dns.zone import Mirror, Zone, Zones

MOST_AT_ONCE = 8
"""Transfers that run side by side; each holds a copy of the zone's list of names."""

MESSAGE = 16_000
"""Octets of a message, about: larger ones make nothing faster (RFC 5936 section 2.2)."""

_APEX = wire.pointer(12)  # the question's name is the zone's


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may have copies of the zones, and who is told of changes."""

    allow: tuple[str, ...] = ()
    """Networks that may transfer the zones; with `key_file` empty for any, else for none."""
    key_file: str = ""
    """File with the keys of TSIG, as BIND's tsig-keygen prints them; then nothing goes unsigned."""
    notify: tuple[str, ...] = ()
    """``ADDRESS[:PORT]`` of each secondary that is told when a zone changed."""
    journal: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    """Changed records that are remembered of each zone (IXFR); 0 for whole copies only."""

    @property
    def enabled(self) -> bool:
        """Whether anybody may transfer at all."""
        return bool(self.allow or self.key_file)


Served: TypeAlias = Zone | Mirror


class Transfers:
    """Answers transfers of the zones."""

    def __init__(self, zones: Zones, settings: Transfer, counts: Counts) -> None:
        self._zones = zones
        self._settings = settings
        self._allowed = Networks(settings.allow)
        self._counts = counts
        self._running = 0

    def answer(self, query: Query) -> Answer:
        """Return the messages of a transfer; over UDP one, which says to come by TCP."""
        flags = wire.QR | wire.AA | query.flags & wire.RD
        zone = self._zones.of(query.name)
        if zone is None or zone.apex != query.name or not self._allows(query):
            return self._refused(query, "refused", wire.REFUSED)
        if not zone.loaded:
            return self._refused(query, "not_loaded", wire.SERVFAIL)
        if query.type == wire.AXFR:
            if not query.tcp:
                return self._refused(query, "refused", wire.REFUSED)
            return self._sent(query, flags, zone, None)
        if query.serial is None:
            return self._refused(query, "refused", wire.FORMERR)
        if not newer(zone.serial, query.serial):
            self._counts.transfers["current"] += 1
            return _small(query, flags, [soa(zone, zone.serial)])
        steps = _steps(zone, query.serial)
        if not query.tcp:
            return self._over_udp(query, flags, zone, steps)
        return self._sent(query, flags, zone, steps)

    def _allows(self, query: Query) -> bool:
        if self._settings.key_file and not query.signed:
            return False
        if not self._settings.allow:
            return bool(self._settings.key_file)
        return query.client in self._allowed

    def _refused(self, query: Query, why: str, code: int) -> bytes:
        self._counts.transfers[why] += 1
        return message.bare(query, wire.QR | query.flags & wire.RD | code)

    def _over_udp(
        self, query: Query, flags: int, zone: Served, steps: tuple[Step, ...] | None
    ) -> bytes:
        """Send what changed if it fits, else the serial alone (RFC 1995 section 2)."""
        last = soa(zone, zone.serial)
        if steps is not None and sum(len(s.removed) + len(s.added) for s in steps) < 50:
            whole = _small(query, flags, [last, *changed(zone, steps), last])
            if len(whole) <= query.most:
                self._counts.transfers["ixfr"] += 1
                return whole
        self._counts.transfers["to_tcp"] += 1
        return _small(query, flags, [last])

    async def _sent(
        self, query: Query, flags: int, zone: Served, steps: tuple[Step, ...] | None
    ) -> AsyncIterator[bytes]:
        """Give the messages one by one, of the zone as it was at the first."""
        if self._running >= MOST_AT_ONCE:
            yield self._refused(query, "too_many", wire.SERVFAIL)
            return
        self._running += 1
        try:
            last = soa(zone, zone.serial)
            body = whole(zone) if steps is None else changed(zone, steps)
            for one in messages(query, flags, chain([last], body, [last])):
                yield one
            self._counts.transfers["axfr" if steps is None else "ixfr"] += 1
        finally:
            self._running -= 1


def _steps(zone: Served, serial: int) -> tuple[Step, ...] | None:
    """Return the steps from a serial on; None where the whole zone is what to send."""
    base = _base(zone)
    steps = base.journal.since(serial) if base.journal is not None else None
    if steps is None or sum(len(s.removed) + len(s.added) for s in steps) > len(base):
        return None
    return steps


def _base(zone: Served) -> Zone:
    return zone.zone if isinstance(zone, Mirror) else zone


def _small(query: Query, flags: int, records: Iterable[bytes]) -> bytes:
    """Return one message of a few records."""
    records = list(records)
    head = message.HEAD.pack(flags, 1, len(records), 0, 1 if query.opt else 0)
    return query.data[:2] + head + query.question + b"".join(records) + query.opt


def messages(query: Query, flags: int, records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield messages of many records each; the first carries the client's EDNS."""
    part: list[bytes] = []
    size, opt = 0, query.opt
    for record in records:
        part.append(record)
        size += len(record)
        if size >= MESSAGE:
            head = message.HEAD.pack(flags, 1, len(part), 0, 1 if opt else 0)
            yield query.data[:2] + head + query.question + b"".join(part) + opt
            part, size, opt = [], 0, b""
    if part:
        head = message.HEAD.pack(flags, 1, len(part), 0, 1 if opt else 0)
        yield query.data[:2] + head + query.question + b"".join(part) + opt


def soa(zone: Served, serial: int) -> bytes:
    """Return the SOA record of a zone at a serial."""
    found = zone.soa
    times = f"{found.refresh} {found.retry} {found.expire} {found.minimum}"
    data = wire.data("SOA", f"{found.mname} {found.rname} {serial} {times}")
    return wire.record(_APEX, "SOA", _base(zone).ttl, data)


def whole(zone: Served) -> Iterator[bytes]:
    """Yield all records of a zone as it is now, whatever becomes of it meanwhile; but the SOA."""
    return map(_Renderer(zone), _base(zone).copy().lines())


def changed(zone: Served, steps: Iterable[Step]) -> Iterator[bytes]:
    """Yield difference sequences: what went, what came, each behind its serial (RFC 1995)."""
    render = _Renderer(zone)
    for step in steps:
        yield soa(zone, step.before)
        yield from map(render, step.removed)
        yield soa(zone, step.after)
        yield from map(render, step.added)


class _Renderer:
    """Makes the bytes of records, their names ending in a pointer to the zone's in the question."""

    def __init__(self, zone: Served) -> None:
        self._cut = len(_base(zone).apex)
        self._here = zone.here if isinstance(zone, Mirror) else None

    def __call__(self, line: Line) -> bytes:
        owner = _APEX
        if len(line.name) > self._cut:
            owner = wire.name(line.name[: -self._cut])[:-1] + _APEX
        data = line.data
        if self._here is not None:
            data = " ".join(map(self._here, data.split(" ")))
        return wire.record(owner, line.type, line.ttl, wire.packed(line.type, data))
