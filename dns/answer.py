"""Query bytes in, answer bytes out: an authoritative server without its sockets.

What is asked again just so is found by the bytes of its query, and sent with its own id; what is
asked in other words (another case, another size) by the bytes of its question; the rest is worked
out by the rules. Both are learnt for names of the zones alone, and a change in a zone forgets the
answers of the names it touched. This is the one seam between the zones and whatever carries the
packets.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from pointsman.dns import chaos, message, wire
from pointsman.dns.cookies import Cookies
from pointsman.dns.counts import Counts
from pointsman.dns.limit import DROP, SEND, Limiter
from pointsman.dns.message import Ready
from pointsman.dns.query import PLAIN_SIZE, TCP_SIZE, Answer, Handler, Later, Query, read
from pointsman.dns.zone import Mirror, Rrset, Zone, Zones

UDP_SIZE = 1232
"""What we send at most over UDP, and say so: no fragments on any path (DNS flag day 2020)."""

MOST_LEARNT = 65_536
"""Queries, as they come, whose answers are kept whole."""

MOST_WAYS = 8
"""Ways to ask the same question that are learnt."""

MOST_FREE = 65_536

_ONE_QUESTION = b"\0\1\0\0\0\0"
_OWNER = wire.pointer(12)  # the question's name stands right behind the header
_CODES = {
    wire.NOTIMP: "notimp",
    wire.FORMERR: "formerr",
    wire.REFUSED: "refused",
    wire.SERVFAIL: "servfail",
}


class Settings(msgspec.Struct, frozen=True):
    """What a server says of itself."""

    udp_size: int = UDP_SIZE
    """Octets of an answer over UDP, at most."""
    nsid: str = ""
    """Its name, for who asks (RFC 5001, RFC 4892); empty for no answer."""
    version: str = ""
    """Its version, for who asks; empty for no answer."""


class Responder:
    """Answers for the zones; not to be used from two threads at once."""

    def __init__(
        self,
        zones: Zones,
        counts: Counts | None = None,
        settings: Settings = Settings(),  # noqa: B008 # is frozen
        *,
        cookies: Cookies | None = None,
        limiter: Limiter | None = None,
        elsewhere: Handler | None = None,
    ) -> None:
        """Take the zones, and counts to go on with.

        ``limiter`` is None for no limits; ``elsewhere`` answers for names of no zone, and is None
        where they are refused.
        """
        self.zones = zones
        self.counts = counts or Counts()
        self._settings = settings
        self._cookies = cookies
        self._limiter = limiter
        self._elsewhere = elsewhere
        self._flags = wire.QR | (wire.RA if elsewhere else 0)
        self._plain_opt = {d: message.opt(settings.udp_size, d) for d in (0, 0x80)}
        self._udp: dict[bytes, tuple[Iterator[bytes], list[int]]] = {}
        """By a query without its id: its answers in turn without theirs, and where to count."""
        self._tcp: dict[bytes, tuple[Iterator[bytes], list[int]]] = {}
        self._ready: dict[bytes, Ready] = {}
        """By the question in small letters; as many as names and types of the zones at most."""
        self._nodata: dict[bytes, Ready] = {}
        """The same for names without records of a type; holds the SOA, so a new serial ends all."""
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)
        """By the name of a target: the names whose answers carry its addresses."""
        self._free: set[str] = set()
        """Clients that have no limit."""

    def udp(self, data: bytes, host: str) -> Answer:
        """Return the answer to a packet from an address."""
        found = self._udp.get(data[2:])
        if found is not None and host in self._free:
            bodies, cell = found
            cell[0] += 1
            return data[:2] + next(bodies)
        answer, proven = self._answered(data, host, tcp=False)
        if answer is None or proven or self._is_free(host):
            return answer
        return self._limited(host, answer)

    def tcp(self, data: bytes, host: str) -> Answer:
        """Return the answer to a message on a connection."""
        found = self._tcp.get(data[2:])
        if found is not None:
            bodies, cell = found
            cell[0] += 1
            return data[:2] + next(bodies)
        return self._answered(data, host, tcp=True)[0]

    def invalidate(self, names: Iterable[str]) -> None:
        """Forget the answers of names that a change in a zone touched."""
        for ready in self._nodata.values():
            self._unlearn(ready)
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
            key = start + number.to_bytes(2) + wire.IN.to_bytes(2)
            ready = self._ready.pop(key, None)
            if ready is None:
                continue
            self._unlearn(ready)
            for target in ready.targets:
                dependents = self._dependents.get(target, set())
                dependents.discard(name)
                if not dependents:
                    self._dependents.pop(target, None)

    def _unlearn(self, ready: Ready) -> None:
        for way in ready.learnt:
            self._udp.pop(way, None)
            self._tcp.pop(way, None)
        ready.learnt.clear()

    # Limits.

    def _is_free(self, host: str) -> bool:
        """Tell whether a client has no limit, and remember those that have none."""
        if host in self._free:
            return True
        if self._limiter is not None and not self._limiter.exempts(host):
            return False
        if len(self._free) >= MOST_FREE:
            self._free.clear()
        self._free.add(host)
        return True

    def _limited(self, host: str, answer: bytes | Later) -> Answer:
        """Hold an answer against the limit of its client."""
        if not isinstance(answer, bytes):
            return self._limited_later(host, answer)
        assert self._limiter is not None
        verdict = self._limiter.verdict(host, answer)
        if verdict is SEND:
            return answer
        self.counts.dropped["rate_limited" if verdict is DROP else "slipped"] += 1
        return None if verdict is DROP else message.truncated(answer)

    async def _limited_later(self, host: str, answers: Later) -> AsyncIterator[bytes]:
        async for answer in answers:
            limited = self._limited(host, answer)
            if isinstance(limited, bytes):
                yield limited

    # Answers.

    def _answered(self, data: bytes, host: str, *, tcp: bool) -> tuple[Answer, bool]:
        """Return the answer, and whether the client has shown that its address is its own."""
        end = data.find(b"\0", 12) + 5
        # One question of opcode QUERY, no other flag than RD. Making type and class small as well
        # joins only types that no zone holds (65 and 97, for instance).
        if data[4:10] == _ONE_QUESTION and not data[2] & 0xFE and len(data) >= end > 4:
            question = data[12:end]
            key = question.lower()
            ready = self._ready.get(key) or self._nodata.get(key)
            if ready is not None:
                size, opt = PLAIN_SIZE, b""
                plain = not data[10:12].strip(b"\0") and len(data) == end
                if not plain and data[10:12] == b"\0\1" and _is_plain_opt(data[end:]):
                    size = max(PLAIN_SIZE, int.from_bytes(data[end + 3 : end + 5]))
                    opt = self._plain_opt[data[end + 7] & 0x80]
                    plain = True
                if plain:
                    ready.cells[tcp][0] += 1
                    most = TCP_SIZE if tcp else min(size, self._settings.udp_size)
                    flags = self._flags | wire.AA | (data[2] << 8 & wire.RD)
                    parts = (question, flags, ready, opt, most)
                    learnable = question == key and len(ready.learnt) < MOST_WAYS
                    bodies = self._learnt(data[2:], parts, tcp=tcp) if learnable else None
                    body = next(bodies) if bodies else message.body(*parts)
                    if body[0] & 0x02:
                        self.counts.truncated += 1
                    return data[:2] + body, False
        return self._worked_out(data, host, tcp=tcp)

    def _learnt(
        self, way: bytes, parts: tuple[bytes, int, Ready, bytes, int], *, tcp: bool
    ) -> Iterator[bytes] | None:
        """Keep the whole answers to a query and return them; None where there is no room."""
        known = self._tcp if tcp else self._udp
        bodies = message.bodies(*parts) if len(known) < MOST_LEARNT else None
        if bodies is not None:
            ready = parts[2]
            known[way] = bodies, ready.cells[tcp]
            ready.learnt.append(way)
        return bodies

    def _worked_out(self, data: bytes, host: str, *, tcp: bool) -> tuple[Answer, bool]:
        """Answer by the rules."""
        if len(data) < 12 or data[2] & 0x80:
            self.counts.dropped["no_query"] += 1
            return None, False
        query = read(data, host, tcp=tcp)
        if isinstance(query, int):
            self.counts.cell("tcp" if tcp else "udp", 0, _CODES[query])[0] += 1
            return message.failed(data, query), False
        proven = self._with_manners(query)
        return self._served(query), proven

    def _with_manners(self, query: Query) -> bool:
        """Fill in what the answer may be like; return whether the client's cookie is good."""
        query.most = TCP_SIZE if query.tcp else min(query.size, self._settings.udp_size)
        if not query.edns:
            return False
        options = b""
        if query.cookie and self._cookies is not None:
            options += wire.option(wire.COOKIE, self._cookies.made(query.cookie, query.client))
        if query.nsid and self._settings.nsid:
            options += wire.option(wire.NSID, self._settings.nsid.encode())
        # The upper eight bits of BADVERS stand in OPT (RFC 6891 section 6.1.3).
        extended = wire.BADVERS >> 4 if query.version else 0
        query.opt = message.opt(self._settings.udp_size, query.dnssec, extended, options)
        return self._cookies is not None and self._cookies.good(query.cookie, query.client)

    def _served(self, query: Query) -> Answer:
        flags = self._flags | query.flags & wire.RD
        if query.version:
            return self._coded(query, flags, "badvers")
        if query.class_ == wire.CH:
            found = chaos.answer(query, self._settings.nsid, self._settings.version)
            if found is None:
                return self._coded(query, flags | wire.REFUSED, "refused")
            self._count(query, "answered")
            return message.assembled(query, flags | wire.AA, found)
        zone = self.zones.of(query.name)
        if zone is None and self._elsewhere is not None and query.class_ == wire.IN:
            return self._elsewhere(query)
        transfers = (wire.IXFR, wire.AXFR, wire.MAILB, wire.MAILA)
        if zone is None or query.class_ != wire.IN or query.type in transfers:
            return self._coded(query, flags | wire.REFUSED, "refused")
        if not zone.loaded:
            return self._coded(query, flags | wire.SERVFAIL, "servfail")
        code, ready = self._looked_up(zone, query)
        answer = message.assembled(query, flags | wire.AA | code, ready)
        if answer[2] & 0x02:
            self.counts.truncated += 1
        return answer

    def _coded(self, query: Query, flags: int, outcome: str) -> bytes:
        """Answer with a code alone."""
        self._count(query, outcome)
        return message.bare(query, flags)

    def _count(self, query: Query, outcome: str) -> None:
        self.counts.cell("tcp" if query.tcp else "udp", query.type, outcome)[0] += 1

    def _cells(self, query: Query, outcome: str) -> tuple[list[int], list[int]]:
        cell = self.counts.cell
        return cell("udp", query.type, outcome), cell("tcp", query.type, outcome)

    def _looked_up(self, zone: Zone | Mirror, query: Query) -> tuple[int, Ready]:
        key = query.question.lower()
        ready = self._ready.get(key) or self._nodata.get(key)
        if ready is not None:  # and only something else is unusual
            ready.cells[query.tcp][0] += 1
            return wire.ANSWERED, ready
        type_ = wire.NAMES.get(query.type)
        if query.type == wire.ANY:
            # One rrset of the name is enough of an answer (RFC 8482 section 4.1).
            type_ = next(iter(zone.types(query.name)), None)
        found = zone.rrset(query.name, type_) if type_ else None
        if found:
            ready = self._ready[key] = self._compiled(zone, found, query)
            ready.cells[query.tcp][0] += 1
            return wire.ANSWERED, ready
        soa = zone.rrset(zone.apex, "SOA")
        assert soa is not None
        # How long "no" may be remembered is the lesser of both (RFC 2308 section 5).
        ttl = min(soa.ttl, zone.soa.minimum)
        owner = wire.pointer(12 + len(query.question) - 4 - len(wire.name(zone.apex)))
        start = wire.record(owner, "SOA", ttl, wire.data("SOA", soa.data[0]))
        if zone.has(query.name):
            cells = self._cells(query, "nodata")
            ready = Ready([], [start], [], (), cells)
            cells[query.tcp][0] += 1
            if type_:
                self._nodata[key] = ready
            return wire.ANSWERED, ready
        self._count(query, "nxdomain")
        return wire.NXDOMAIN, Ready([], [start], [])

    def _compiled(self, zone: Zone | Mirror, found: Rrset, query: Query) -> Ready:
        answers = [
            wire.record(_OWNER, found.type, found.ttl, wire.data(found.type, data))
            for data in found.data
        ]
        cells = self._cells(query, "answered")
        position = {"SRV": 3, "NS": 0}.get(found.type)
        if position is None:
            return Ready(answers, [], [], (), cells)
        targets = tuple(dict.fromkeys(data.split()[position] for data in found.data))
        apex = wire.pointer(12 + len(query.question) - 4 - len(wire.name(zone.apex)))
        additional = []
        for target in targets:
            self._dependents[target].add(found.name)
            additional += _addresses(zone, target, apex)
        return Ready(answers, [], additional, targets, cells)


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
