"""Copies of a zone, with signatures: what is given out makes the zone, and dnspython believes it.

The first octet of an input says how the rest comes: by TCP or UDP, from whom, signed how, to a
server that wants signatures or to one that doesn't, and whether the zone changes before.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from pointsman.dns import tsig
from pointsman.dns.answer import UDP_SIZE, Responder
from pointsman.dns.counts import Counts
from pointsman.dns.journal import Journal, newer
from pointsman.dns.query import Answer, read
from pointsman.dns.records import Record
from pointsman.dns.transfer import Transfer, Transfers
from pointsman.dns.tsig import Key, Keys
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

HOSTS = ("10.0.0.1", "192.0.2.7")
"""Clients: who may have copies, and who may not."""

ALIAS = "alias."
KEY = Key("key.", "hmac-sha256.", b"secret")
KEYS = {dns.name.from_text(KEY.name): dns.tsig.Key(KEY.name, KEY.secret, KEY.algorithm)}
SIGNED = (
    (KEY, 0),
    (Key(KEY.name, KEY.algorithm, b"another"), 0),
    (KEY, -1_000),
)
"""Keys, and by how many seconds the clock is wrong: a good signature, and two bad ones."""

RECORDS = [
    *(Record(f"web-{n}.mesos.", "A", f"10.0.0.{n}", 60) for n in range(20)),
    *(Record(f"text-{n}.mesos.", "TXT", f'"{"x" * 250}"', 60) for n in range(70)),
    Record("web-1.mesos.", "AAAA", "fd00::1", 5),
    Record("_web._tcp.mesos.", "SRV", "0 1 80 web-1.mesos.", 60),
]
COMES_AND_GOES = [
    Record("web-1.mesos.", "A", "10.7.7.7", 30),
    Record("_new._tcp.mesos.", "SRV", "0 1 70 web-2.mesos.", 60),
]
TRANSFERS = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
FIRST = 2**32 - 4
"""The serial to begin with, which soon begins anew."""

MOST_JOURNAL, MOST_STATES = 100, 100


def seeds() -> Iterator[bytes]:
    """Yield transfers and other queries, with and without signatures, from several clients."""
    for how in (0, 1, 2, 5, 8, 9, 13, 17, 33, 40, 41, 96, 97, 105):
        for name in ("mesos.", ALIAS, "web-1.mesos.", "example."):
            for type_ in ("AXFR", "IXFR", "SOA", "A"):
                query = dns.message.make_query(name, type_, use_edns=how & 1 and 0)
                if type_ == "IXFR":
                    for serial in (0, FIRST, FIRST + 1, 3):
                        soa = f"ns1.{name} root.ns1.{name} {serial} 60 600 86400 60"
                        query.authority = [dns.rrset.from_text(name, 60, "IN", "SOA", soa)]
                        yield bytes([how]) + query.to_wire()
                yield bytes([how]) + query.to_wire()
    query.use_tsig(KEYS)
    yield b"\1" + query.to_wire()


def begin() -> Callable[[bytes], None]:
    """Return a function that asks a server, which stays the same."""
    return Served().take


class Served:
    """A zone with a journal, two servers of it, and what must be true after every packet."""

    def __init__(self) -> None:
        zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["10.0.0.9"], FIRST)
        self.zone = zone
        self.zones = Zones(zone, mirrors=[Mirror(ALIAS, zone)])
        self.zones.update((), RECORDS)
        zone.loaded = True
        zone.journal = Journal(MOST_JOURNAL)
        self.changed = False
        self.states = {zone.serial: lines(zone)}
        self.servers = [self.server(""), self.server("a file")]

    def server(self, key_file: str) -> tuple[Responder, Transfers]:
        """Return a server that allows the first host, with a signature if there is a file."""
        counts = Counts()
        settings = Transfer(allow=(f"{HOSTS[0]}/32",), key_file=key_file, journal=MOST_JOURNAL)
        transfers = Transfers(self.zones, settings, counts)
        keys = Keys((KEY,), time.time)
        return Responder(self.zones, counts, transfers=transfers.answer, keys=keys), transfers

    def take(self, data: bytes) -> None:
        """Ask once."""
        if len(data) < 13:
            return
        how, packet = data[0], data[1:]
        if how & 0x60 == 0x60:
            self.change()
        mac = b""
        if how >> 3 & 3 and packet[10:12] < b"\xff\xff":
            end = len(packet)
            key, wrong = SIGNED[(how >> 3 & 3) - 1]
            signature = tsig.request(key, lambda: time.time() + wrong)
            packet = signature.signed(packet)
            found = read(packet)
            # Behind what is no whole query a signature may be passed over.
            if how >> 3 & 3 == 1 and not isinstance(found, int) and found.tsig == end:
                mac = signature.mac
        responder, transfers = self.servers[how >> 2 & 1]
        tcp, host = bool(how & 1), HOSTS[how >> 1 & 1]
        said = drained((responder.tcp if tcp else responder.udp)(packet, host))
        if packet[2] & 0x80:
            assert not said
            return
        assert said
        assert tcp or len(said) == 1
        read_back = [*believed(said, mac)]
        for message in said:
            assert message[:2] == packet[:2]
            assert message[2] & 0xF8 == packet[2] & 0x78 | 0x80
            assert len(message) <= (65_535 if tcp else UDP_SIZE)
        self.judged(packet, read_back, host, signed=bool(mac), wants=bool(how & 4), tcp=tcp)
        assert not transfers._running
        assert not self.zone._copies
        assert self.zone.journal is not None
        assert len(self.zone.journal) <= MOST_JOURNAL
        assert len(transfers._counts.transfers) <= 10

    def change(self) -> None:
        """Have records come or go."""
        new, old = (COMES_AND_GOES, []) if not self.changed else ([], COMES_AND_GOES)
        self.changed = not self.changed
        touched = self.zones.update(old, new)
        for responder, _ in self.servers:
            responder.invalidate(touched)
        self.states[self.zone.serial] = lines(self.zone)
        if len(self.states) > MOST_STATES:
            del self.states[next(iter(self.states))]

    def judged(
        self,
        packet: bytes,
        said: list[dns.message.Message],
        host: str,
        *,
        signed: bool,
        wants: bool,
        tcp: bool,
    ) -> None:
        """Hold what was given out against what was asked, as dnspython reads both."""
        try:
            query = dns.message.from_wire(packet, ignore_trailing=True, keyring=False)
        except (dns.exception.DNSException, ValueError):
            return
        if not tcp:
            assert len(said[0].wire or b"") <= max(512, query.payload)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return
        (question,) = query.question
        if question.rdtype not in TRANSFERS or not said[0].answer:
            return
        assert question.rdclass == dns.rdataclass.IN
        assert host == HOSTS[0]
        assert signed or not wants
        apex = str(question.name).lower()
        assert apex in ("mesos.", ALIAS)
        records = [rrset for message in said for rrset in message.answer]
        start = serial_of(records[0])
        assert start == serial_of(records[-1]) == self.zone.serial
        if len(records) == 1:
            assert question.rdtype == dns.rdatatype.IXFR
            found = read(packet)
            assert not isinstance(found, int)
            assert found.serial is not None
            assert not tcp or not newer(start, found.serial)
            return
        held: set[str] = set()
        if records[1].rdtype == dns.rdatatype.SOA:
            assert question.rdtype == dns.rdatatype.IXFR
            held = {as_in(apex, line) for line in self.states[serial_of(records[1])]}
        assert applied(held, records[1:-1]) == {
            as_in(apex, line) for line in self.states[self.zone.serial]
        }


def drained(answer: Answer) -> list[bytes]:
    """Return the messages of an answer, none of which waits for anything."""
    if answer is None:
        return []
    return [answer] if isinstance(answer, bytes) else [*without_waiting(answer)]


def without_waiting(answers: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Yield what is there at once."""
    while True:
        try:
            next(anext(answers).__await__())
        except StopIteration as found:
            yield found.value
        except StopAsyncIteration:
            return
        else:
            raise AssertionError("waits")


def believed(said: list[bytes], mac: bytes) -> Iterator[dns.message.Message]:
    """Yield messages as dnspython reads them, who checks their signatures if ours was good."""
    how: dict[str, Any] = {"keyring": False}
    if mac:
        how = {"keyring": KEYS, "request_mac": mac, "multi": True}
    for data in said:
        found = dns.message.from_wire(data, xfr=True, one_rr_per_rrset=True, **how)
        if how["keyring"]:
            assert found.had_tsig
            how = {**how, "tsig_ctx": found.tsig_ctx}
        yield found


def applied(held: set[str], records: list[dns.rrset.RRset]) -> set[str]:
    """Return what a secondary has that had this: each SOA in between turns adding to removing."""
    adds = True
    for rrset in records:
        owner = str(rrset.name).lower()
        line = f"{owner} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rrset[0]}"
        if rrset.rdtype == dns.rdatatype.SOA:
            adds = not adds
        elif adds:
            assert line not in held
            held.add(line)
        else:
            held.remove(line)
    return held


def serial_of(rrset: dns.rrset.RRset) -> int:
    """Return the serial of a zone's start."""
    assert rrset.rdtype == dns.rdatatype.SOA
    first: Any = rrset[0]
    serial: int = first.serial
    return serial


def lines(zone: Zone) -> frozenset[str]:
    """Return the zone's records but its start."""
    return frozenset(f"{line.name} {line.ttl} {line.type} {line.data}" for line in zone.lines())


def as_in(apex: str, line: str) -> str:
    """Return a record as it is in the zone or its mirror."""
    return line if apex == "mesos." else line.replace("mesos.", apex)
