"""Query bytes in, answer bytes out: an authoritative server without its sockets.

What was asked before just so is found in the `Table`; of the rest what is plain is answered with
little ado, and all else is worked out by the rules. Where the native responder answers over UDP,
what it leaves comes here, and it is taught what is plain.
"""

from collections.abc import AsyncIterator
from itertools import chain

import msgspec

from pointsman.dns import chaos, message, rendering, wire
from pointsman.dns.cookies import Cookies
from pointsman.dns.counts import SHOWN, Counts
from pointsman.dns.limit import DROP, SEND, Limiter
from pointsman.dns.message import Parts, Ready
from pointsman.dns.query import PLAIN_SIZE, TCP_SIZE, Answer, Handler, Later, Query, read
from pointsman.dns.table import Table
from pointsman.dns.teacher import Teacher
from pointsman.dns.tsig import Keys, Signature
from pointsman.dns.zone import Mirror, Rrset, Touched, Zone, Zones

UDP_SIZE = 1232
"""What we send at most over UDP, and say so: no fragments on any path (DNS flag day 2020)."""

MOST_FREE = 65_536
"""Clients of which it is remembered that they have no limit."""

_ONE_QUESTION = b"\0\1\0\0\0\0"
_IN = wire.IN.to_bytes(2)
_TRANSFERS = (wire.IXFR, wire.AXFR, wire.MAILB, wire.MAILA)
_CODES = {wire.NOTIMP: "notimp", wire.FORMERR: "formerr"}


class Settings(msgspec.Struct, frozen=True):
    """What a server says of itself."""

    udp_size: int = UDP_SIZE
    """Octets of an answer over UDP, at most."""
    nsid: str = ""
    """Its name, for who asks (RFC 5001, RFC 4892); empty for no answer."""
    version: str = ""
    """Its version, for who asks; empty for no answer."""
    idle: float = 10.0
    """Seconds that a connection may be silent, for who asks (RFC 7828)."""


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
        transfers: Handler | None = None,
        keys: Keys | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """Take the zones, and counts to go on with.

        ``limiter`` is None for no limits; ``elsewhere`` answers for names of no zone, and is None
        where they are refused, as ``transfers`` is for those. ``teacher`` is for the same zones and
        has the same `flags`; it is None without a native responder.
        """
        self.zones = zones
        self.counts = counts or Counts()
        self._settings = settings
        self._cookies = cookies
        self._limiter = limiter
        self._elsewhere = elsewhere
        self._transfers = transfers
        self._keys = keys or Keys((), float)
        self.teacher = teacher
        self._flags = flags(elsewhere)
        self._plain_opt = {d: message.opt(settings.udp_size, d) for d in (0, 0x80)}
        self._table = Table()
        self._denials = rendering.Denials()
        self._free: set[str] = set()
        """Clients that have no limit."""

    def udp(self, data: bytes, host: str) -> Answer:
        """Return the answer to a packet from an address."""
        found = self._table.udp.get(data[2:])
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
        found = self._table.tcp.get(data[2:])
        if found is not None:
            bodies, cell = found
            cell[0] += 1
            return data[:2] + next(bodies)
        return self._answered(data, host, tcp=True)[0]

    def invalidate(self, touched: Touched) -> None:
        """Forget the answers of names that a change in the zones touched."""
        self._table.invalidate(chain.from_iterable(touched.values()))
        if self.teacher is not None:
            self.teacher.follow(touched)

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
        if self.teacher is not None and not tcp:
            answer = self.teacher.answer(data)
        else:
            answer = self._table.other_case(data, tcp=tcp) or self._plain(data, tcp=tcp)
        return (answer, False) if answer else self._worked_out(data, host, tcp=tcp)

    def _plain(self, data: bytes, *, tcp: bool) -> bytes | None:
        """Answer what is asked as nearly all ask: one question, no EDNS option, a known name.

        A name that isn't there is known, too.
        """
        end = data.find(b"\0", 12) + 5
        # Opcode QUERY, no other flag than RD.
        if data[4:10] != _ONE_QUESTION or data[2] & 0xFE or not 4 < end <= len(data):
            return None
        size, opt = PLAIN_SIZE, b""
        if data[10:12] == b"\0\1" and _is_plain_opt(data[end:]):
            size = max(PLAIN_SIZE, int.from_bytes(data[end + 3 : end + 5]))
            opt = self._plain_opt[data[end + 7] & 0x80]
        elif data[10:12] != b"\0\0" or len(data) != end:
            return None
        question = data[12:end]
        # Making type and class small as well joins only types that no zone holds (65 and 97).
        key = question.lower()
        most = TCP_SIZE if tcp else min(size, self._settings.udp_size)
        flags = self._flags | wire.AA | (data[2] << 8 & wire.RD)
        ready = self._table.ready(key)
        if ready is None:
            return self._denied(data, key, flags | wire.NXDOMAIN, opt, most, tcp=tcp)
        parts = Parts(question, flags, ready, opt, most)
        bodies = self._table.learn(data, end, parts, tcp=tcp)
        message.cell(parts, tcp=tcp)[0] += 1
        return data[:2] + (next(bodies) if bodies else message.body(parts))

    def _denied(
        self, data: bytes, key: bytes, flags: int, opt: bytes, most: int, *, tcp: bool
    ) -> bytes | None:
        """Say that a name is not there; None for one that is, or that takes more than a look."""
        length = len(key) - 4
        name = wire.text(key[:-4]) if length <= wire.MOST_NAME else ""
        zone = self.zones.of(name)
        if zone is None or key[-2:] != _IN or not zone.loaded or zone.has(name):
            return None
        type_ = int.from_bytes(data[12 + length : 14 + length])
        soa = self._denials.record(zone, length)
        if type_ in _TRANSFERS or 16 + length + len(soa) + len(opt) > most:
            return None
        self.counts.cell("tcp" if tcp else "udp", type_, "nxdomain")[0] += 1
        head = message.HEAD.pack(flags, 1, 0, 1, 1 if opt else 0)
        return data[:2] + head + data[12 : 16 + length] + soa + opt

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
        return self._signed(query) if query.tsig else (self._served(query), proven)

    def _signed(self, query: Query) -> tuple[Answer, bool]:
        """Answer a query that is signed, and sign the answer; a wrong signature has none but that.

        See RFC 8945 section 5.2.
        """
        signature = self._keys.check(query.data, query.tsig)
        if signature is None:
            self._count(query, "formerr")
            return message.failed(query.data, wire.FORMERR), False
        if signature.key is None or signature.error:
            flags = self._flags | query.flags & wire.RD | wire.NOTAUTH
            return signature.signed(self._coded(query, flags, "notauth")), False
        query.signed = True
        query.most -= signature.key.size
        answer = self._served(query)
        if answer is None or isinstance(answer, bytes):
            return answer and signature.signed(answer), True
        return _signed_later(answer, signature), True

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
        if query.keepalive and query.tcp:
            tenths = min(round(self._settings.idle * 10), 0xFFFF)
            options += wire.option(wire.KEEPALIVE, tenths.to_bytes(2))
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
        if query.class_ != wire.IN:
            return self._coded(query, flags | wire.REFUSED, "refused")
        zone = self.zones.of(query.name)
        if query.type in (wire.AXFR, wire.IXFR) and zone is not None and self._transfers:
            return self._transfers(query)
        if zone is None and self._elsewhere is not None:
            return self._elsewhere(query)
        if zone is None or query.type in _TRANSFERS:
            return self._coded(query, flags | wire.REFUSED, "refused")
        if not zone.loaded:
            return self._coded(query, flags | wire.SERVFAIL, "servfail")
        ready = self._looked_up(zone, query)
        if ready is None:
            self._count(query, "nxdomain")
            ready = Ready([], [self._denials.record(zone, len(query.question) - 4)], [])
            return message.assembled(query, flags | wire.AA | wire.NXDOMAIN, ready)
        parts = Parts(query.question, flags | wire.AA, ready, query.opt, query.most)
        message.cell(parts, tcp=query.tcp)[0] += 1
        return query.data[:2] + message.body(parts)

    def _coded(self, query: Query, flags: int, outcome: str) -> bytes:
        """Answer with a code alone."""
        self._count(query, outcome)
        return message.bare(query, flags)

    def _count(self, query: Query, outcome: str) -> None:
        self.counts.cell("tcp" if query.tcp else "udp", query.type, outcome)[0] += 1

    def _looked_up(self, zone: Zone | Mirror, query: Query) -> Ready | None:
        """Return the answer about a name, None for one that is not there."""
        key = query.question.lower()
        ready = self._table.ready(key)
        if ready is not None:  # and only something else is unusual
            return ready
        type_ = wire.NAMES.get(query.type)
        if query.type == wire.ANY:
            # One rrset of the name is enough of an answer (RFC 8482 section 4.1).
            type_ = next(iter(zone.types(query.name)), None)
        found = zone.rrset(query.name, type_) if type_ else None
        if found is None and not zone.has(query.name):
            return None
        ready = self._compiled(zone, found, query)
        if query.type in SHOWN:  # not any of 65,536
            self._table.keep(key, query.name, ready)
        return ready

    def _compiled(self, zone: Zone | Mirror, found: Rrset | None, query: Query) -> Ready:
        cell, length = self.counts.cell, len(query.question) - 4
        truncated = cell("udp", query.type, "truncated")

        def cells(outcome: str) -> message.Cells:
            return cell("udp", query.type, outcome), cell("tcp", query.type, outcome), truncated

        if found is None:
            return Ready([], [self._denials.record(zone, length)], [], (), cells("nodata"))
        targets = rendering.targets(found)
        additional = rendering.addresses(zone, targets, length)
        return Ready(rendering.records(found), [], additional, targets, cells("answered"))


def flags(elsewhere: object) -> int:
    """Return the flags of every answer; ``elsewhere`` is who answers for other zones, or None."""
    return wire.QR | (wire.RA if elsewhere else 0)


async def _signed_later(answers: Later, signature: Signature) -> AsyncIterator[bytes]:
    async for answer in answers:
        yield signature.signed(answer)


def _is_plain_opt(rest: bytes) -> bool:
    """Tell whether this is one OPT record of version 0 without options."""
    return len(rest) == 11 and rest[:3] == b"\0\0\x29" and rest[6] == 0 == rest[9] == rest[10]
