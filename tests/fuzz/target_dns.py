"""The whole server behind its sockets: zones, a mirror, cookies, limits; with dnspython to judge.

A second one, which has a native table where there is one, must answer alike.

The first octet of an input says how the rest comes: by TCP or UDP, from whom, after how long, and
whether a zone changes before.
"""

from collections.abc import Callable, Iterator

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from pointsman.dns import limit, table, wire
from pointsman.dns.answer import Responder, Settings, flags
from pointsman.dns.cookies import Cookies
from pointsman.dns.counts import Counts
from pointsman.dns.limit import Limiter, RateLimit
from pointsman.dns.query import Answer
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING, Teacher
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

HOSTS = ("127.0.0.1", "192.0.2.7", "2001:db8::7", "::ffff:198.51.100.7")
"""Clients: the first has no limit."""

STEPS = (0.0, 0.01, 1.0, 4_000.0)
"""Seconds that pass before an input."""

MIRROR = "mesos.thisdcos.directory."
RECORDS = [
    *(Record("web.mesos.", "A", f"10.0.0.{n}", 60) for n in range(1, 4)),
    *(Record("many.mesos.", "A", f"10.1.0.{n}", 60) for n in range(100)),
    Record("web.mesos.", "AAAA", "fd00::1", 5),
    Record("a.b.web.mesos.", "A", "10.0.0.9", 60),
    Record("text.mesos.", "TXT", '"one two" three', 0),
    *(Record("_web._tcp.mesos.", "SRV", f"0 1 {n} a.b.web.mesos.", 60) for n in (80, 443)),
    Record("_web._tcp.mesos.", "SRV", "0 1 90 web.mesos.", 60),
    Record("_far._udp.mesos.", "SRV", "0 1 53 web.example.com.", 60),
]
COMES_AND_GOES = [
    Record("b.web.mesos.", "AAAA", "fd00::2", 60),
    Record("_new._tcp.mesos.", "SRV", "0 1 70 b.web.mesos.", 60),
]
TRANSFERS = range(251, 255)
MOST_TAUGHT = 1 << 18
"""Octets that so few names may take."""

MOST_READY = 9 * 2 * (len(RECORDS) + len(COMES_AND_GOES) + 5)


def seeds() -> Iterator[bytes]:
    """Yield queries of all kinds, from several clients."""
    options: list[dns.edns.Option] = [
        dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678"),
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678" * 3),
        dns.edns.GenericOption("65001", b"x"),
    ]
    names = {r.name for r in RECORDS} | {"mesos.", "nope.mesos.", "tcp.mesos.", ".", "x.example."}
    for name in sorted(names | {f"web.{MIRROR}", f"_web._tcp.{MIRROR}", "WeB.MeSoS."}):
        for type_ in ("A", "AAAA", "SRV", "ANY", "SOA", "TYPE65"):
            yield b"\0" + dns.message.make_query(name, type_, use_edns=False).to_wire()
    for how in range(0, 256, 5):
        query = dns.message.make_query("web.mesos.", "A", use_edns=0, options=options[how % 4 :])
        yield bytes([how]) + query.to_wire()
    for name in ("version.bind.", "id.server."):
        yield b"\0" + dns.message.make_query(name, "TXT", "CH").to_wire()
    for size in (0, 512, 513, 1232, 65_535):
        query = dns.message.make_query("many.mesos.", "A", use_edns=0, payload=size)
        yield b"\0" + query.to_wire()
    yield b"\0" + dns.message.make_query("mesos.", "AXFR").to_wire()
    key = dns.name.from_text("key.")
    query = dns.message.make_query("web.mesos.", "A", use_edns=0)
    query.use_tsig({key: dns.tsig.Key(key, b"secret", "hmac-sha256.")})
    yield b"\0" + query.to_wire()
    yield b"\0" + dns.message.make_query("mesos.", "A", use_edns=3).to_wire()
    yield b"\2" + dns.message.make_query("mesos.", "A").to_wire()[:20]


def begin() -> Callable[[bytes], None]:
    """Return a function that asks a server, which stays the same."""
    return Served().take


class Served:
    """A server, and what must be true of it after every packet."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.changed = False
        zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos.", minimum=30), 60, ["10.0.0.9"])
        self.zones = Zones(zone, mirrors=[Mirror(MIRROR, zone)])
        self.zones.update((), RECORDS)
        zone.loaded = True
        self.limiter, self.responder = self.made(None)
        counts, common = Counts(), flags(None) | wire.AA
        self.teacher = None if MISSING else Teacher(self.zones, counts, common, 1232)
        _, self.native = self.made(self.teacher, counts)

    def made(
        self, teacher: Teacher | None, counts: Counts | None = None
    ) -> tuple[Limiter, Responder]:
        """Return a responder with a limiter of its own, both on our clock."""
        limiter = Limiter(RateLimit(per_second=5, all_per_second=50), lambda: self.now)
        return limiter, Responder(
            self.zones,
            counts,
            Settings(1232, "fuzzed", "1"),
            cookies=Cookies(bytes(16), lambda: self.now),
            limiter=limiter,
            teacher=teacher,
        )

    def take(self, data: bytes) -> None:
        """Ask twice, so that what was learnt is asked, too."""
        if not data:
            return
        how, packet = data[0], data[1:]
        self.now += STEPS[how >> 3 & 3]
        if how & 0xE0 == 0xE0:
            new, old = (COMES_AND_GOES, []) if not self.changed else ([], COMES_AND_GOES)
            self.changed = not self.changed
            touched = self.zones.update(old, new)
            self.responder.invalidate(touched)
            self.native.invalidate(touched)
        host = HOSTS[how >> 1 & 3]
        first, second = (self.asked(packet, host, tcp=bool(how & 1)) for _ in range(2))
        if first and second and host == HOSTS[0] and first != second:
            assert sections(first) == sections(second)
        self.bounded()

    def asked(self, packet: bytes, host: str, *, tcp: bool) -> bytes | None:
        """Ask once."""
        slipped = self.responder.counts.dropped["slipped"]
        said = (self.responder.tcp if tcp else self.responder.udp)(packet, host)
        self.alike(said, (self.native.tcp if tcp else self.native.udp)(packet, host))
        if len(packet) < 12 or packet[2] & 0x80:
            assert said is None
            return None
        if said is None:
            assert not tcp
            assert host != HOSTS[0]
            return None
        assert isinstance(said, bytes)
        assert said[:2] == packet[:2]
        assert said[2] & 0x80
        assert said[2] & 0x78 == packet[2] & 0x78
        if said[4:6] == b"\0\1":
            end = question_end(said)
            assert said[12:end] == packet[12:end]
        if self.responder.counts.dropped["slipped"] > slipped:
            assert len(said) <= len(packet)
        self.judged(packet, said, tcp=tcp)
        return said

    def alike(self, said: Answer, other: Answer) -> None:
        """Want the same but for whose turn it is, which moves octets about."""
        if said == other:
            return
        assert isinstance(said, bytes)
        assert isinstance(other, bytes)
        end = question_end(said)
        assert said[:end] == other[:end]
        assert sorted(said) == sorted(other)
        assert sections(said) == sections(other)

    def judged(self, packet: bytes, said: bytes, *, tcp: bool) -> None:
        """Have another implementation read both."""
        read = dns.message.from_wire(said, keyring=False)
        assert len(said) <= (65_535 if tcp else 1232)
        try:
            query = dns.message.from_wire(packet, ignore_trailing=True, keyring=False)
        except (dns.exception.DNSException, ValueError):
            return
        assert query.is_response(read)
        if not tcp:
            assert len(said) <= (512 if query.edns < 0 else max(512, query.payload))
        if query.edns >= 0 and read.rcode() not in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
            assert read.edns == 0 or read.flags & dns.flags.TC
        if query.opcode() == dns.opcode.QUERY and len(query.question) == 1 and query.edns < 1:
            self.compared(query.question[0], read)

    def compared(self, question: dns.rrset.RRset, read: dns.message.Message) -> None:
        """Compare what is said with what the zones hold."""
        # A signature that is not known here is refused before the question is looked at.
        unread = (dns.rcode.FORMERR, dns.rcode.NOTAUTH)
        if read.rcode() in unread or question.rdclass != dns.rdataclass.IN:
            return
        name = question.name
        if not any(name.is_subdomain(dns.name.from_text(a)) for a in ("mesos.", MIRROR)):
            assert read.rcode() == dns.rcode.REFUSED
            return
        if question.rdtype in TRANSFERS:
            assert read.rcode() == dns.rcode.REFUSED
            return
        apex = dns.name.from_text(MIRROR)
        if name.is_subdomain(apex):
            name = name.relativize(apex).derelativize(dns.name.from_text("mesos."))
        held = [*RECORDS, *(COMES_AND_GOES if self.changed else [])]
        names = {dns.name.from_text(r.name) for r in held}
        names |= {dns.name.from_text(own) for own in ("mesos.", "ns1.mesos.")}
        there = any(one.is_subdomain(name) for one in names)
        assert read.rcode() == (dns.rcode.NOERROR if there else dns.rcode.NXDOMAIN)
        if read.flags & dns.flags.TC:
            return
        type_ = dns.rdatatype.to_text(question.rdtype)
        count = sum(r.type == type_ and dns.name.from_text(r.name) == name for r in held)
        own = name == dns.name.from_text("mesos.") or name == dns.name.from_text("ns1.mesos.")
        if not own and type_ != "ANY":
            assert sum(map(len, read.answer)) == count
        assert bool(read.answer) != bool(read.authority)

    def bounded(self) -> None:
        """Want nothing to have grown over its limit."""
        responder, known = self.responder, self.responder._table
        assert len(known.udp) <= table.MOST_LEARNT
        assert len(known.tcp) <= table.MOST_LEARNT
        assert len(known._ready) + len(known._nodata) <= MOST_READY
        assert len(known._dependents) <= MOST_READY
        assert len(responder._free) <= len(HOSTS)
        assert len(self.limiter._spent) <= limit.MOST_TRACKED
        assert len(responder.counts.queries) <= 1_000
        if self.teacher is not None:
            assert self.teacher.table.size <= MOST_TAUGHT


def question_end(data: bytes) -> int:
    """Return where the question of a message ends."""
    at = 12
    while data[at]:
        at += 1 + data[at]
    return at + 5


def sections(data: bytes) -> list[set[str]]:
    """Return what does not depend on whose turn it is."""
    read = dns.message.from_wire(data, keyring=False)
    found = [read.question, read.answer, read.authority, read.additional]
    return [{str(rrset.name) + str(sorted(map(str, rrset))) for rrset in part} for part in found]
