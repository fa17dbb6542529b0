"""Transfers, with dnspython as the secondary."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone
import pytest

from pointsman.dns import transfer
from pointsman.dns.answer import Responder
from pointsman.dns.counts import Counts
from pointsman.dns.journal import Journal
from pointsman.dns.query import Answer
from pointsman.dns.records import Record
from pointsman.dns.transfer import Transfer, Transfers
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

INSIDE = Transfer(allow=("10.0.0.0/8",))


def record(number: int, value: int = 0) -> Record:
    return Record(f"web-{number}.mesos.", "A", f"10.{value}.{number >> 8}.{number & 255}", 60)


class Served:
    def __init__(self, settings: Transfer = INSIDE, count: int = 3) -> None:
        self.zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["10.0.0.9"], 100)
        self.zone.update((), [record(n) for n in range(count)])
        self.zone.loaded = True
        self.zone.journal = Journal(settings.journal)
        self.counts = Counts()
        self.zones = Zones(self.zone, mirrors=[Mirror("alias.", self.zone)])
        self.transfers = Transfers(self.zones, settings, self.counts)
        self.responder = Responder(self.zones, self.counts, transfers=self.transfers.answer)

    def ask(
        self, type_: str, *, serial: int = 0, name: str = "mesos.", host: str = "10.0.0.1",
        tcp: bool = True,
    ) -> list[dns.message.Message]:  # fmt: skip
        query = dns.message.make_query(name, type_)
        if type_ == "IXFR":
            soa = f"ns1.{name} root.ns1.{name} {serial} 60 600 86400 60"
            rrset = dns.rrset.from_text(name, 60, "IN", "SOA", soa)
            query.authority.append(rrset)
        answer = (self.responder.tcp if tcp else self.responder.udp)(query.to_wire(), host)
        return [dns.message.from_wire(m, xfr=True, one_rr_per_rrset=True) for m in drained(answer)]


def drained(answer: Answer) -> list[bytes]:
    async def drain(messages: AsyncIterator[bytes]) -> list[bytes]:
        return [message async for message in messages]

    assert answer is not None
    return [answer] if isinstance(answer, bytes) else asyncio.run(drain(answer))


def text(rrset: Any) -> str:
    return f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rrset[0]}"


def records(messages: list[dns.message.Message]) -> list[str]:
    return [text(rrset) for message in messages for rrset in message.answer]


def lines(zone: Zone) -> set[str]:
    return {f"{line.name} {line.ttl} {line.type} {line.data}" for line in zone.lines()}


def soa(serial: int, apex: str = "mesos.") -> str:
    return f"{apex} 60 SOA ns1.{apex} root.ns1.{apex} {serial} 60 600 86400 60"


def test_a_whole_zone_stands_between_its_start_and_its_start() -> None:
    served = Served(count=2_000)
    messages = served.ask("AXFR")
    assert len(messages) > 2
    found = records(messages)
    assert found[0] == found[-1] == soa(101)
    assert set(found[1:-1]) == lines(served.zone)
    assert len(found) == len(set(found)) + 1
    assert all(message.flags & dns.flags.AA for message in messages)
    assert all(len(m.to_wire()) < 65_536 for m in messages)
    assert served.counts.transfers == {"axfr": 1}


def test_a_transfer_is_of_one_moment() -> None:
    served = Served(count=2_000)
    wanted = lines(served.zone)
    query = dns.message.make_query("mesos.", "AXFR").to_wire()

    async def test() -> list[bytes]:
        answers = served.responder.tcp(query, "10.0.0.1")
        assert not isinstance(answers, bytes)
        assert answers is not None
        found = []
        async for message in answers:
            found.append(message)
            number = len(found)
            served.zone.update([record(number)], [record(n, 1) for n in range(number, 1_999, 7)])
        return found

    messages = asyncio.run(test())
    found = records([dns.message.from_wire(m, xfr=True, one_rr_per_rrset=True) for m in messages])
    assert found[0] == found[-1] == soa(101)
    assert set(found[1:-1]) == wanted
    assert lines(served.zone) != wanted


def test_what_changed_since_a_serial() -> None:
    served = Served(count=100)
    served.zone.update([record(1)], [record(1, 7)])
    served.zone.update([], [record(200)])
    old, new = "web-1.mesos. 60 A 10.0.0.1", "web-1.mesos. 60 A 10.7.0.1"
    more = "web-200.mesos. 60 A 10.0.0.200"
    last = [soa(102), soa(103), more, soa(103)]
    assert records(served.ask("IXFR", serial=101)) == [
        soa(103), soa(101), old, soa(102), new, *last,
    ]  # fmt: skip
    assert records(served.ask("IXFR", serial=102)) == [soa(103), *last]
    assert records(served.ask("IXFR", serial=101, tcp=False))[0] == soa(103)
    assert served.counts.transfers == {"ixfr": 3}


def test_an_up_to_date_secondary_is_told_the_serial_alone() -> None:
    served = Served()
    for serial in (101, 102, 101 + 2**31 - 1):
        assert records(served.ask("IXFR", serial=serial)) == [soa(101)]
    assert served.counts.transfers == {"current": 3}


def test_a_serial_that_is_not_known_brings_the_whole_zone() -> None:
    served = Served(count=100)
    served.zone.update([], [record(200)])
    for serial in (1, 100, 2**31 + 200):
        found = records(served.ask("IXFR", serial=serial))
        assert found[0] == found[-1] == soa(102)
        assert set(found[1:-1]) == lines(served.zone)
    assert served.counts.transfers == {"axfr": 3}


def test_steps_that_are_more_than_the_zone_bring_the_whole_zone() -> None:
    served = Served(count=10)
    for value in range(1, 20):
        served.zone.update([record(1, value - 1)], [record(1, value)])
    assert len(records(served.ask("IXFR", serial=101))) == len(lines(served.zone)) + 2


def test_over_udp_what_has_no_room_is_the_serial_alone() -> None:
    served = Served(count=100)
    served.zone.update([], [record(n) for n in range(200, 240)])
    assert records(served.ask("IXFR", serial=101, tcp=False)) == [soa(102)]
    assert served.counts.transfers == {"to_tcp": 1}


def test_a_mirror_is_transferred_under_its_own_name() -> None:
    served = Served(count=100)
    found = records(served.ask("AXFR", name="alias."))
    assert found[0] == soa(101, "alias.")
    assert "web-7.alias. 60 A 10.0.0.7" in found
    assert "alias. 60 NS ns1.alias." in found
    served.zone.update([record(7)], [])
    assert records(served.ask("IXFR", name="alias.", serial=101)) == [
        soa(102, "alias."), soa(101, "alias."), "web-7.alias. 60 A 10.0.0.7",
        soa(102, "alias."), soa(102, "alias."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "host", "type_", "name", "tcp", "code"),
    [
        (INSIDE, "192.0.2.1", "AXFR", "mesos.", True, dns.rcode.REFUSED),
        (INSIDE, "10.0.0.1", "AXFR", "mesos.", False, dns.rcode.REFUSED),
        (INSIDE, "10.0.0.1", "AXFR", "web-1.mesos.", True, dns.rcode.REFUSED),
        (INSIDE, "10.0.0.1", "AXFR", "example.", True, dns.rcode.REFUSED),
        (Transfer(), "10.0.0.1", "AXFR", "mesos.", True, dns.rcode.REFUSED),
        (Transfer(key_file="x"), "10.0.0.1", "IXFR", "mesos.", True, dns.rcode.REFUSED),
    ],
)
def test_who_may_not(
    settings: Transfer, host: str, type_: str, name: str, tcp: bool, code: dns.rcode.Rcode
) -> None:
    (answer,) = Served(settings).ask(type_, name=name, host=host, tcp=tcp)
    assert answer.rcode() == code
    assert not answer.answer


def test_a_zone_without_a_view_and_an_ixfr_without_a_serial() -> None:
    served = Served()
    served.zone.loaded = False
    assert served.ask("AXFR")[0].rcode() == dns.rcode.SERVFAIL
    served.zone.loaded = True
    query = dns.message.make_query("mesos.", "IXFR").to_wire()
    assert drained(served.responder.tcp(query, "10.0.0.1"))[0][3] & 0xF == dns.rcode.FORMERR


@pytest.mark.parametrize("class_", [2, 255, 0x2301])
@pytest.mark.parametrize("type_", ["AXFR", "IXFR"])
def test_a_zone_has_one_class(type_: str, class_: int) -> None:
    data = dns.message.make_query("mesos.", type_).to_wire()[:-2] + class_.to_bytes(2)
    (answer,) = drained(Served().responder.tcp(data, "10.0.0.1"))
    assert answer[3] & 0xF == dns.rcode.REFUSED


def test_only_so_many_at_once() -> None:
    served = Served(count=2_000)
    query = dns.message.make_query("mesos.", "AXFR").to_wire()

    async def test() -> None:
        running: list[Any] = [
            served.responder.tcp(query, "10.0.0.1") for _ in range(transfer.MOST_AT_ONCE + 1)
        ]
        first = [await anext(one) for one in running]
        assert [message[3] & 0xF for message in first] == [0] * transfer.MOST_AT_ONCE + [2]
        for one in running:
            await one.aclose()
        again: Any = served.responder.tcp(query, "10.0.0.1")
        assert (await anext(again))[3] & 0xF == 0
        await again.aclose()

    asyncio.run(test())
    assert served.counts.transfers == {"too_many": 1}


def test_a_copy_settles_claims_as_the_zone_does() -> None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    claim = Record("a.mesos.", "A", "10.0.0.1", 60, claim="one")
    for below in ([], [Record("b.a.mesos.", "A", "10.0.0.2", 60)]):
        zone.update((), [claim, *below])
        assert set(zone.copy().lines()) == set(zone.lines())
        assert any(line.name == "a.mesos." for line in zone.lines()) != bool(below)
