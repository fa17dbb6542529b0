"""Query bytes in, answer bytes out: an authoritative server without its sockets.

What is asked again is looked up by the bytes of its question and sent with the header patched; the
rest is worked out by the rules, and remembered when a name of the zone was asked for. A change in
the zone forgets the answers of the names it touched. This is the one seam between the zones and
whatever carries the packets.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from pointsman.dns import wire
from pointsman.dns.zone import Mirror, Rrset, Zone, Zones

UDP_SIZE = 1232
"""What we send at most over UDP, and say so: no fragments on any path (DNS flag day 2020)."""

PLAIN_SIZE = 512
"""What a client without EDNS takes (RFC 1035 section 4.2.1)."""

TCP_SIZE = 65_535

_HEADER = struct.Struct("!HHHHHH")
_OPT = b"\0" + struct.pack("!HH", wire.OPT, UDP_SIZE)
_ONE_QUESTION = b"\0\1\0\0\0\0"
_OWNER = wire.pointer(12)  # the question's name stands right behind the header


class Counts(msgspec.Struct):
    """Queries by what became of them."""

    answered: int = 0
    nodata: int = 0
    nxdomain: int = 0
    refused: int = 0
    notimp: int = 0
    formerr: int = 0
    servfail: int = 0
    badvers: int = 0
    dropped: int = 0
    truncated: int = 0
    """Of those above, the ones that were sent without their records."""


class _Ready:
    """An answer but for id, question and the order of its records."""

    __slots__ = (
        "additional",
        "authority",
        "counts",
        "next",
        "offsets",
        "records",
        "starts",
        "targets",
        "total",
    )

    def __init__(
        self,
        answers: list[bytes],
        authority: list[bytes],
        additional: list[bytes],
        targets: Iterable[str] = (),
    ) -> None:
        self.records = b"".join(answers) * 2  # twice, so that each rotation is one slice
        self.total = len(self.records) // 2
        self.starts = [0]
        for answer in answers[:-1]:
            self.starts.append(self.starts[-1] + len(answer))
        self.next = 0
        self.authority = b"".join(authority)
        self.additional = b"".join(additional)
        self.counts = (len(answers), len(authority), len(additional))
        self.targets = targets

    def rotated(self) -> bytes:
        """Return the records, beginning with the next one in turn (RFC 1794)."""
        start = self.starts[self.next]
        self.next = self.next + 1 if self.next + 1 < len(self.starts) else 0
        return self.records[start : start + self.total]


class _Query(msgspec.Struct):
    """A query that was read."""

    id: int
    flags: int
    question: bytes
    """Name, type and class as they were sent."""
    name: str
    """In small letters."""
    type: int
    class_: int
    edns: bool = False
    version: int = 0
    dnssec: int = 0
    """The DO bit in its place, to be sent back as it is (RFC 3225 section 3)."""
    size: int = PLAIN_SIZE
    """What the client takes over UDP."""


class Responder:
    """Answers for the zones; not to be used from two threads at once."""

    def __init__(self, zones: Zones, counts: Counts | None = None) -> None:
        """Take the zones, and counts to go on with."""
        self.zones = zones
        self.counts = counts or Counts()
        self._ready: dict[bytes, _Ready] = {}
        """By the question in small letters; as many as names and types of the zones at most."""
        self._nodata: dict[bytes, _Ready] = {}
        """The same for names without records of a type; holds the SOA, so a new serial ends all."""
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)
        """By the name of a target: the names whose answers carry its addresses."""

    def answer(self, query: bytes, limit: int | None = None) -> bytes | None:
        """Return the answer, or None for what deserves none.

        ``limit`` is the most octets the transport carries, None for UDP: then the query decides.
        """
        end = query.find(b"\0", 12) + 5
        # One question of opcode QUERY, no other flag than RD. Making type and class small as well
        # joins only types that no zone holds (65 and 97, for instance).
        if query[4:10] == _ONE_QUESTION and not query[2] & 0xFE and len(query) >= end > 4:
            question = query[12:end]
            key = question.lower()
            ready = self._ready.get(key) or self._nodata.get(key)
            if ready is not None:
                if not query[10:12].strip(b"\0") and len(query) == end:
                    size, opt = PLAIN_SIZE, b""
                elif query[10:12] == b"\0\1" and _is_plain_opt(query[end:]):
                    size = max(PLAIN_SIZE, int.from_bytes(query[end + 3 : end + 5]))
                    opt = _OPT + bytes((0, 0, query[end + 7] & 0x80, 0, 0, 0))
                else:
                    return self._worked_out(query, limit, ready)
                self._count(ready)
                most = limit or min(size, UDP_SIZE)
                flags = wire.QR | wire.AA | (query[2] << 8 & wire.RD)
                return self._assembled(query[:2], flags, question, ready, opt, most)
        return self._worked_out(query, limit, None)

    def invalidate(self, names: Iterable[str]) -> None:
        """Forget the answers of names that a change in a zone touched."""
        self._nodata.clear()
        if not self._ready:
            return
        for name in names:
            self._forget(name)
            for dependent in self._dependents.pop(name, ()):
                self._forget(dependent)

    def _forget(self, name: str) -> None:
        start = wire.name(name)
        for number in (*wire.NAMES, wire.ANY):
            ready = self._ready.pop(start + struct.pack("!HH", number, wire.IN), None)
            for target in ready.targets if ready is not None else ():
                dependents = self._dependents.get(target, set())
                dependents.discard(name)
                if not dependents:
                    self._dependents.pop(target, None)

    def _worked_out(self, data: bytes, limit: int | None, ready: _Ready | None) -> bytes | None:
        """Answer by the rules; ``ready`` when the answer is known and only EDNS is unusual."""
        if len(data) < 12 or data[2] & 0x80:
            self.counts.dropped += 1
            return None
        query = _read(data)
        if isinstance(query, int):
            return self._failed(data, query)
        opt = _OPT + bytes((0, 0, query.dnssec, 0, 0, 0)) if query.edns else b""
        flags = wire.QR | query.flags & wire.RD
        most = limit or min(query.size, UDP_SIZE)
        if query.version:
            # The upper eight bits of the code stand in OPT (RFC 6891 section 6.1.3).
            self.counts.badvers += 1
            opt = _OPT + bytes((wire.BADVERS >> 4, 0, 0, 0, 0, 0))
            return self._assembled(data[:2], flags, query.question, _EMPTY, opt, most)
        code = wire.ANSWERED
        if ready is None:
            code, ready = self._looked_up(query)
        else:
            self._count(ready)
        if code not in (wire.REFUSED, wire.SERVFAIL):
            flags |= wire.AA
        return self._assembled(data[:2], flags | code, query.question, ready, opt, most)

    def _count(self, ready: _Ready) -> None:
        """Count an answer of a name that is there."""
        if ready.total:
            self.counts.answered += 1
        else:
            self.counts.nodata += 1

    def _failed(self, data: bytes, code: int) -> bytes:
        """Answer what can't be read, or not be done, with its header alone."""
        if code == wire.NOTIMP:
            self.counts.notimp += 1
        else:
            self.counts.formerr += 1
        (flags,) = struct.unpack_from("!H", data, 2)
        kept = flags & (0x7800 | wire.RD)
        return data[:2] + struct.pack("!HHHHH", wire.QR | kept | code, 0, 0, 0, 0)

    def _looked_up(self, query: _Query) -> tuple[int, _Ready]:
        counts = self.counts
        zone = self.zones.of(query.name)
        transfers = (wire.IXFR, wire.AXFR, wire.MAILB, wire.MAILA)
        if zone is None or query.class_ != wire.IN or query.type in transfers:
            counts.refused += 1
            return wire.REFUSED, _EMPTY
        if not zone.loaded:
            counts.servfail += 1
            return wire.SERVFAIL, _EMPTY
        type_ = wire.NAMES.get(query.type)
        if query.type == wire.ANY:
            # One rrset of the name is enough of an answer (RFC 8482 section 4.1).
            type_ = next(iter(zone.types(query.name)), None)
        found = zone.rrset(query.name, type_) if type_ else None
        key = query.question.lower()
        if found:
            ready = self._ready[key] = self._compiled(zone, found, len(query.question) - 4)
            self._count(ready)
            return wire.ANSWERED, ready
        soa = zone.rrset(zone.apex, "SOA")
        assert soa is not None
        # How long "no" may be remembered is the lesser of both (RFC 2308 section 5).
        ttl = min(soa.ttl, zone.soa.minimum)
        owner = wire.pointer(12 + len(query.question) - 4 - len(wire.name(zone.apex)))
        ready = _Ready([], [wire.record(owner, "SOA", ttl, wire.data("SOA", soa.data[0]))], [])
        if zone.has(query.name):
            self._count(ready)
            if type_:
                self._nodata[key] = ready
            return wire.ANSWERED, ready
        counts.nxdomain += 1
        return wire.NXDOMAIN, ready

    def _compiled(self, zone: Zone | Mirror, found: Rrset, name_length: int) -> _Ready:
        answers = [
            wire.record(_OWNER, found.type, found.ttl, wire.data(found.type, data))
            for data in found.data
        ]
        position = {"SRV": 3, "NS": 0}.get(found.type)
        if position is None:
            return _Ready(answers, [], [])
        targets = tuple(dict.fromkeys(data.split()[position] for data in found.data))
        apex = wire.pointer(12 + name_length - len(wire.name(zone.apex)))
        additional = []
        for target in targets:
            self._dependents[target].add(found.name)
            additional += _addresses(zone, target, apex)
        return _Ready(answers, [], additional, targets)

    def _assembled(
        self, id_: bytes, flags: int, question: bytes, ready: _Ready, opt: bytes, most: int
    ) -> bytes:
        """Return the whole message, cut at whole rrsets to what the client takes."""
        answers, authority, additional = ready.counts
        room = most - 12 - len(question) - len(opt)
        tail = ready.authority
        if ready.total + len(tail) > room:
            # Without its answer a message is of use only as a sign to come by TCP.
            self.counts.truncated += 1
            flags |= wire.TC
            head = struct.pack("!HHHHH", flags, 1, 0, 0, 1 if opt else 0)
            return id_ + head + question + opt
        if ready.total + len(tail) + len(ready.additional) <= room:
            tail += ready.additional
        else:
            additional = 0  # extra help that doesn't fit is no truncation (RFC 2181 section 9)
        head = struct.pack("!HHHHH", flags, 1, answers, authority, additional + (1 if opt else 0))
        return id_ + head + question + ready.rotated() + tail + opt


_EMPTY = _Ready([], [], [])


def _is_plain_opt(rest: bytes) -> bool:
    """Tell whether this is one OPT record of version 0 without options."""
    return len(rest) == 11 and rest[:3] == b"\0\0\x29" and rest[6] == 0 == rest[9] == rest[10]


def _addresses(zone: Zone | Mirror, target: str, apex: bytes) -> list[bytes]:
    """Return the address records of a target in the zone, its name ending in a pointer."""
    if not target.endswith(f".{zone.apex}"):
        return []
    owner = wire.name(target.removesuffix(zone.apex))[:-1] + apex
    found = (zone.rrset(target, type_) for type_ in ("A", "AAAA"))
    return [
        wire.record(owner, rrset.type, rrset.ttl, wire.data(rrset.type, data))
        for rrset in found
        if rrset
        for data in rrset.data
    ]


def _read(data: bytes) -> _Query | int:
    """Read a query; return the response code for one that can't be served."""
    id_, flags, questions, answers, authority, additional = _HEADER.unpack_from(data)
    if flags & 0x7800:
        return wire.NOTIMP
    if questions != 1 or answers or authority or flags & wire.TC:
        return wire.FORMERR
    labels = []
    at = 12
    while True:
        if at >= len(data):
            return wire.FORMERR
        length = data[at]
        if not length:
            break
        label = data[at + 1 : at + 1 + length]
        if length > 63 or len(label) < length:  # a pointer, or cut short
            return wire.FORMERR
        # A dot inside a label must not read as a border between labels (RFC 1035 section 5.1).
        labels.append(label.lower().decode("latin-1").replace(".", "\\046"))
        at += 1 + length
    end = at + 5
    if len(data) < end or end - 12 - 4 > 255:
        return wire.FORMERR
    type_, class_ = struct.unpack_from("!HH", data, at + 1)
    query = _Query(
        id_,
        flags,
        data[12:end],
        "".join(f"{label}." for label in labels) or ".",
        type_,
        class_,
    )
    return _with_edns(query, data[end:], additional)


def _with_edns(query: _Query, rest: bytes, records: int) -> _Query | int:
    """Read the additional section of a query, of which only OPT counts (RFC 6891 section 6.1)."""
    for _ in range(records):
        end = rest.find(b"\0") + 1
        if not end or len(rest) < end + 10:
            return wire.FORMERR
        type_, size, ttl, length = struct.unpack_from("!HHIH", rest, end)
        if len(rest) < end + 10 + length:
            return wire.FORMERR
        if type_ == wire.OPT:
            if query.edns or end != 1:
                return wire.FORMERR
            query.edns = True
            query.version = ttl >> 16 & 0xFF
            query.dnssec = ttl >> 8 & 0x80
            query.size = max(size, PLAIN_SIZE)
        rest = rest[end + 10 + length :]
    return query
