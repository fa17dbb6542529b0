"""An upstream's answer: read octet by octet, and given out as our own.

What is kept of it are its records as they came, so that their compressed names stay right: the
question before them has its length whoever asks. OPT and TSIG are between two neighbours, and
end here (RFC 6891 section 6.2.6, RFC 8945 section 5.5).
"""

import struct

from pointsman.dns import message, wire
from pointsman.dns.query import Query

MOST_TTL = 604_800
"""Seconds, a week: longer is as if this were said (RFC 8767 section 4)."""

MOST_NEGATIVE = 10_800
"""The same of what is not there, three hours (RFC 2308 section 5)."""

STALE_TTL = 30
"""Seconds, for all records of an answer that is too old (RFC 8767 section 4)."""

STALE = -1
"""The age of an answer that is too old."""

_FIXED = struct.Struct("!HHIH")
_TTL = struct.Struct("!I")
_SOA, _NAPTR = wire.TYPES["SOA"], 35
_ADDRESSES = (wire.TYPES["A"], wire.TYPES["AAAA"])

_SHAPES: dict[int, tuple[int, int, int | None]] = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 39), (0, 1, 0)),  # NS, CNAME, PTR, DNAME and others
    **dict.fromkeys((15, 18, 21, 36), (2, 1, 0)),  # MX, AFSDB, RT, KX
    **dict.fromkeys((14, 17), (0, 2, 0)),  # MINFO, RP
    **dict.fromkeys((64, 65), (2, 1, None)),  # SVCB, HTTPS
    1: (4, 0, 0),  # A
    _SOA: (0, 2, 20),
    26: (2, 2, 0),  # PX
    28: (16, 0, 0),  # AAAA
    33: (6, 1, 0),  # SRV
    46: (18, 1, None),  # RRSIG
    47: (0, 1, None),  # NSEC
}
"""Of types whose data has names that others may point to: octets before, names, octets behind."""


class Reply:
    """What an upstream said."""

    __slots__ = (
        "_age",
        "_counts",
        "_records",
        "_required",
        "_ttls",
        "_turns",
        "code",
        "edns",
        "lifetime",
    )

    def __init__(
        self,
        code: int,
        records: bytes = b"",
        counts: tuple[int, int, int] = (0, 0, 0),
        required: int = 0,
        ttls: tuple[tuple[int, int], ...] = (),
        lifetime: int = 0,
        turns: tuple[int, int, int] = (0, 0, 0),
        *,
        edns: bool = False,
    ) -> None:
        """``ttls`` are where they stand in ``records`` and what they say.

        ``required`` octets of the records are no extra help, so that they may not be left out.
        ``turns`` are where addresses of one name begin and end, and the octets of each: they take
        turns at being first. Nothing points into them, so that they may.
        """
        self.code = code
        """With the upper bits of OPT."""
        self.edns = edns
        """Whether the upstream speaks EDNS."""
        self.lifetime = lifetime
        """Seconds that it may be kept; 0 for not at all."""
        self._records = bytearray(records)
        self._counts = counts
        self._required = required
        self._ttls = ttls
        self._turns = turns
        self._age: int | None = None
        """The age that the TTLs in the records are of; None for as they came."""

    @property
    def octets(self) -> int:
        """How many the records take."""
        return len(self._records)

    def answer(self, query: Query, age: int) -> bytes:
        """Return the answer to a query of this question; ``age`` in seconds, or STALE."""
        flags = wire.QR | wire.RA | query.flags & (wire.RD | wire.CD) | self.code
        room = query.most - 12 - len(query.question) - len(query.opt)
        if self._required > room:
            return message.bare(query, flags | wire.TC)
        answers, authority, additional = self._counts
        records = self._aged(age)
        begin, end, size = self._turns
        if end - begin > size:
            records[begin:end] = records[begin + size : end] + records[begin : begin + size]
        if len(records) > room:
            records, additional = records[: self._required], 0
        counts = 1, answers, authority, additional + (1 if query.opt else 0)
        head = query.data[:2] + message.HEAD.pack(flags, *counts)
        return head + query.question + records + query.opt

    def _aged(self, age: int) -> bytearray:
        """Return the records with their TTLs as of now; those who ask in one second share them."""
        if age != self._age:
            for at, ttl in self._ttls:
                _TTL.pack_into(self._records, at, STALE_TTL if age == STALE else max(0, ttl - age))
            self._age = age
        return self._records


def belongs(data: bytes, id_: bytes, question: bytes) -> bool:
    """Tell whether a message claims to be the answer to a question, by its header and its own.

    The case of letters does not count. A server that can't read our EDNS may send back no
    question, and so no answer.
    """
    if len(data) < 12 or data[:2] != id_ or data[2] & 0xF8 != 0x80:
        return False
    if data[4:6] == b"\0\0":
        return len(data) == 12 and data[3] & 0xF in (wire.FORMERR, wire.NOTIMP)
    asked = data[12 : 12 + len(question)]
    return data[4:6] == b"\0\1" and _small(asked) == _small(question)


def truncated(data: bytes) -> bool:
    """Tell whether a message lacks what did not fit."""
    return bool(data[2] & wire.TC >> 8)


def read(data: bytes) -> Reply | None:
    """Return what a message that belongs to a question says, None when it is damaged."""
    if data[4:6] == b"\0\0":
        return Reply(data[3] & 0xF)
    try:
        return _Walk(data).reply()
    except (IndexError, struct.error, ValueError):
        return None


def _small(question: bytes) -> bytes:
    return question[:-4].lower() + question[-4:]


class _Walk:
    """Goes through a message once, from its question to its last octet.

    Raises IndexError, struct.error or ValueError where it is damaged.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, int] = {}
        """Where labels and pointers of names begin: the octets of the name from there on.

        Later names may point to these alone, so none leads in a circle, or into a TTL.
        """
        self._start = self._name(12) + 4
        """Where the records begin."""
        self._end = self._start
        """Where those that are kept end."""
        self._type = int.from_bytes(data[self._start - 4 : self._start - 2])
        self._code = data[3] & 0xF
        self._edns = False
        self._counts = [0, 0, 0]
        self._ttls: list[tuple[int, int]] = []
        self._turns = (0, 0, 0)
        self._found = False
        """Whether there is a record of the type that was asked for."""
        self._negative = 0
        """Seconds that it may be kept that something is not there."""

    def reply(self) -> Reply:
        """Return what the message says."""
        at = required = self._start
        for section in range(3):
            for _ in range(int.from_bytes(self._data[6 + 2 * section : 8 + 2 * section])):
                at = self._record(section, at)
            required = at if section < 2 else required
        if at != len(self._data):
            raise ValueError(at)
        if self._code not in (wire.ANSWERED, wire.NXDOMAIN):
            return Reply(self._code, edns=self._edns)
        ttls = self._ttls
        if self._code == wire.NXDOMAIN or not self._found:
            # Without SOA there is nothing that says how long (RFC 2308 section 5).
            most = self._negative
            lifetime = min((min(ttl, most) for _, ttl in ttls), default=0)
            ttls = [(where, min(ttl, most) if most else ttl) for where, ttl in ttls]
        else:
            lifetime = min(ttl for _, ttl in ttls)
        answers, authority, additional = self._counts
        begin, end, size = self._turns
        return Reply(
            self._code,
            self._data[self._start : self._end],
            (answers, authority, additional),
            required - self._start,
            tuple(ttls),
            lifetime,
            (begin - self._start, end - self._start, size),
            edns=self._edns,
        )

    def _record(self, section: int, at: int) -> int:
        """Take a record in; return where it ends."""
        owner = self._name(at)
        type_, class_, ttl, length = _FIXED.unpack_from(self._data, owner)
        ends: int = owner + 10 + length
        if ends > len(self._data):
            raise ValueError(length)
        if type_ in (wire.OPT, wire.TSIG):
            if section != 2 or (self._edns and type_ == wire.OPT):
                raise ValueError(type_)
            if type_ == wire.OPT:
                self._edns = True
                self._code |= ttl >> 24 << 4
            return ends
        if class_ != wire.IN:
            raise ValueError(class_)
        self._rdata(type_, owner + 10, ends)
        # What stands behind OPT goes with it: it is extra help, and would have to move.
        if self._end == at:
            self._end = ends
            self._counts[section] += 1
            self._ttls.append((owner + 4 - self._start, _seconds(ttl)))
        if section == 0:
            self._found |= self._type in (type_, wire.ANY)
            if type_ in _ADDRESSES and owner == at + 2:
                self._turn(at, ends)
        elif section == 1 and type_ == _SOA:
            minimum = _seconds(_TTL.unpack_from(self._data, ends - 4)[0])
            self._negative = min(_seconds(ttl), minimum, MOST_NEGATIVE)
        return ends

    def _turn(self, at: int, ends: int) -> None:
        """Take an address in that belongs to those before it, if name, type and TTL are theirs."""
        begin, end, size = self._turns
        if end != at or self._data[begin : begin + 12] != self._data[at : at + 12]:
            begin, size = at, ends - at
        self._turns = begin, ends, size

    def _rdata(self, type_: int, at: int, ends: int) -> None:
        """Go through the names in a record's data; types without are taken as they are."""
        if type_ == _NAPTR:  # order, preference, three texts, a name (RFC 3403 section 4.1)
            at += 4
            for _ in range(3):
                at += 1 + self._data[at]
            shape: tuple[int, int, int | None] = (0, 1, 0)
        elif type_ in _SHAPES:
            shape = _SHAPES[type_]
        else:
            return
        before, names, behind = shape
        at += before
        for _ in range(names):
            at = self._name(at)
        if at > ends if behind is None else at + behind != ends:
            raise ValueError(type_)

    def _name(self, at: int) -> int:
        """Return where a name ends, having learnt its labels."""
        starts, left = [at], 1
        while length := self._data[at]:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | self._data[at + 1]
                if target not in self._known:
                    raise ValueError(target)
                left = self._known[target]
                break
            if length > 63:
                raise ValueError(length)
            at += 1 + length
            starts.append(at)
        if at - starts[0] + left > 255:
            raise ValueError(at)
        for start in starts:
            self._known[start] = at - start + left
        return at + (2 if length else 1)


def _seconds(ttl: int) -> int:
    """Return a TTL as it counts: one with the first bit set is none (RFC 2181 section 8)."""
    return 0 if ttl >> 31 else min(ttl, MOST_TTL)
