"""Whole messages, with dnspython as the oracle: what is asked, and what must be said.

All is asked of Python alone, and of a responder with a native table that it teaches.
"""

import random
import string
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.servers.paths import answering
from pointsman.dns.answer import Responder
from pointsman.dns.records import Record
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

WEB = "web.marathon.mesos."
SRV = "_web._tcp.marathon.mesos."
RECORDS = [
    *(Record(WEB, "A", f"10.0.0.{n}", 60) for n in (1, 2, 3)),
    Record("web-1.marathon.mesos.", "A", "10.0.0.1", 60),
    Record("web-1.marathon.mesos.", "AAAA", "fd00::1", 60),
    Record("web-2.marathon.mesos.", "A", "10.0.0.2", 60),
    Record(SRV, "SRV", "0 1 31000 web-1.marathon.mesos.", 60),
    Record(SRV, "SRV", "0 1 31001 web-2.marathon.mesos.", 60),
    *(Record("many.mesos.", "A", f"10.1.{n // 250}.{n % 250}", 60) for n in range(100)),
]


_paths = ["python"]


@pytest.fixture(autouse=True, scope="module", params=["python", "native"])
def taken(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have all be asked by a path."""
    _paths.append(request.param)
    yield
    _paths.pop()


def served(records: list[Record] = RECORDS) -> tuple[Responder, Zone]:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos.", minimum=30), 60, ["10.0.0.9"])
    zone.update((), records)
    zone.loaded = True
    return answering(_paths[-1], Zones(zone)), zone


def said(responder: Responder, data: bytes, *, tcp: bool = False) -> bytes | None:
    """Return what is answered to a message, which must be known at once."""
    answer = (responder.tcp if tcp else responder.udp)(data, "127.0.0.1")
    assert answer is None or isinstance(answer, bytes)
    return answer


def ask(
    responder: Responder, query: dns.message.Message, *, tcp: bool = False
) -> dns.message.Message:
    """Send a query until its answer is learnt, and want the same each time; return the answer."""
    found = []
    for _ in range(4):
        data = said(responder, query.to_wire(), tcp=tcp)
        assert data is not None
        found.append(dns.message.from_wire(data))
        assert query.is_response(found[-1])
    one = found[0]
    for two in found[1:]:
        assert (one.flags, one.question, one.ednsflags) == (two.flags, two.question, two.ednsflags)
        assert texts(one.answer) == texts(two.answer)
        assert texts(one.additional) == texts(two.additional)
    return one


def question(name: str, type_: str, **options: int | bool) -> dns.message.Message:
    return dns.message.make_query(name, type_, **options)  # type: ignore[arg-type]


def texts(section: list[dns.rrset.RRset]) -> set[str]:
    """Return records as lines of a zone file."""
    return {
        f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {data}"
        for rrset in section
        for data in rrset
    }


def test_addresses() -> None:
    answer = ask(served()[0], question(WEB, "A"))
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA
    assert texts(answer.answer) == {f"{WEB} 60 A 10.0.0.{n}" for n in (1, 2, 3)}
    assert not answer.authority


def test_a_service_brings_the_addresses_of_its_targets() -> None:
    answer = ask(served()[0], question(SRV, "SRV"))
    assert texts(answer.answer) == {
        f"{SRV} 60 SRV 0 1 31000 web-1.marathon.mesos.",
        f"{SRV} 60 SRV 0 1 31001 web-2.marathon.mesos.",
    }
    assert texts(answer.additional) == {
        "web-1.marathon.mesos. 60 A 10.0.0.1",
        "web-1.marathon.mesos. 60 AAAA fd00::1",
        "web-2.marathon.mesos. 60 A 10.0.0.2",
    }


def test_the_start_of_the_zone_and_its_nameserver() -> None:
    responder, _ = served()
    start = ask(responder, question("mesos.", "SOA"))
    assert texts(start.answer) == {"mesos. 60 SOA ns1.mesos. root.ns1.mesos. 2 60 600 86400 30"}
    nameserver = ask(responder, question("mesos.", "NS"))
    assert texts(nameserver.answer) == {"mesos. 60 NS ns1.mesos."}
    assert texts(nameserver.additional) == {"ns1.mesos. 60 A 10.0.0.9"}


@pytest.mark.parametrize("type_", ["AXFR", "IXFR"])
def test_a_transfer_is_refused(type_: str) -> None:
    assert ask(served()[0], question("mesos.", type_), tcp=True).rcode() == dns.rcode.REFUSED


def test_other_zones_and_classes_are_refused() -> None:
    responder, _ = served()
    answer = ask(responder, question("example.com.", "A"))
    assert answer.rcode() == dns.rcode.REFUSED
    assert not answer.flags & dns.flags.AA
    chaos = question("version.bind.", "TXT")
    chaos.question[0].rdclass = dns.rdataclass.CH
    assert ask(responder, chaos).rcode() == dns.rcode.REFUSED
    chaos = question(WEB, "A")
    chaos.question[0].rdclass = dns.rdataclass.CH
    assert ask(responder, chaos).rcode() == dns.rcode.REFUSED


def test_a_zone_without_a_view_fails_so_that_another_server_is_asked() -> None:
    empty = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    answer = ask(answering(_paths[-1], Zones(empty)), question(WEB, "A"))
    assert answer.rcode() == dns.rcode.SERVFAIL


def test_the_case_of_the_question_comes_back() -> None:
    responder, _ = served()
    mixed = "WeB.mArAtHoN.MeSoS."
    for type_ in ("A", "AAAA"):
        data = said(responder, question(mixed, type_).to_wire())
        data = said(responder, question(mixed, type_).to_wire())
        assert data is not None
        assert b"\3WeB\x08mArAtHoN\5MeSoS\0" in data
        assert dns.message.from_wire(data).rcode() == dns.rcode.NOERROR


def test_each_address_comes_first_in_turn() -> None:
    responder, _ = served()
    firsts = []
    for _ in range(9):
        data = said(responder, question(WEB, "A").to_wire())
        assert data is not None
        firsts.append(str(dns.message.from_wire(data).answer[0][0]))
    assert sorted(firsts[:3]) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert firsts[3:6] == firsts[6:] == firsts[:3]


def test_what_does_not_fit_is_left_out_whole_and_comes_by_tcp() -> None:
    responder, _ = served()
    short = ask(responder, question("many.mesos.", "A"))
    assert short.flags & dns.flags.TC
    assert not short.answer
    assert short.edns == -1
    long = ask(responder, question("many.mesos.", "A"), tcp=True)
    assert not long.flags & dns.flags.TC
    assert len(long.answer[0]) == 100


def test_extra_addresses_that_do_not_fit_are_no_truncation() -> None:
    targets = [Record(f"t{n}.mesos.", "A", f"10.0.0.{n}", 60) for n in range(12)]
    services = [Record(SRV, "SRV", f"0 1 {n} t{n}.mesos.", 60) for n in range(12)]
    answer = ask(served(targets + services)[0], question(SRV, "SRV"))
    assert not answer.flags & dns.flags.TC
    assert len(answer.answer[0]) == 12
    assert not answer.additional


def test_the_do_bit_and_rd_come_back() -> None:
    query = question(WEB, "A", want_dnssec=True)
    answer = ask(served()[0], query)
    assert answer.ednsflags & dns.flags.DO
    assert answer.flags & dns.flags.RD
    query.flags &= ~dns.flags.RD
    assert not ask(served()[0], query).flags & dns.flags.RD


@pytest.mark.parametrize("cut", [12, 13, 20, 25])
def test_a_query_cut_short_is_a_format_error(cut: int) -> None:
    data = said(served()[0], question(WEB, "A").to_wire()[:cut])
    assert data is not None
    assert data[3] & 0xF == dns.rcode.FORMERR


@pytest.mark.parametrize("length", range(12))
def test_less_than_a_header_gets_no_answer(length: int) -> None:
    assert said(served()[0], bytes(length)) is None


def test_a_response_gets_no_answer() -> None:
    query = question(WEB, "A")
    query.flags |= dns.flags.QR
    assert said(served()[0], query.to_wire()) is None


def test_a_pointer_or_a_label_too_long_in_the_question_is_a_format_error() -> None:
    head = bytes.fromhex("1234 0100 0001 0000 0000 0000")
    for name in (b"\xc0\x0c", b"\x40" + b"a" * 64 + b"\0", b"\3a" * 0 + b"\x3f"):
        data = said(served()[0], head + name + b"\0\1\0\1")
        assert data is not None
        assert data[3] & 0xF == dns.rcode.FORMERR


def test_two_questions_or_two_opt_records_are_a_format_error() -> None:
    responder, _ = served()
    wire = bytearray(question(WEB, "A").to_wire())
    wire[5] = 2
    data = said(responder, bytes(wire))
    assert data is not None
    assert data[3] & 0xF == dns.rcode.FORMERR
    opt = bytes.fromhex("00 0029 04d0 00000000 0000")
    wire[5], wire[11] = 1, 2
    data = said(responder, bytes(wire) + opt + opt)
    assert data is not None
    assert data[3] & 0xF == dns.rcode.FORMERR


def test_a_dot_inside_a_label_is_no_border() -> None:
    head = bytes.fromhex("1234 0100 0001 0000 0000 0000")
    data = said(served()[0], head + b"\x0cweb.marathon\5mesos\0" + b"\0\1\0\1")
    assert data is not None
    assert dns.message.from_wire(data).rcode() == dns.rcode.NXDOMAIN


def test_a_dot_inside_the_last_label_does_not_reach_into_a_zone() -> None:
    head = bytes.fromhex("1234 0100 0001 0000 0000 0000")
    data = said(served()[0], head + b"\x09web.mesos\0" + b"\0\1\0\1")
    assert data is not None
    assert dns.message.from_wire(data).rcode() == dns.rcode.REFUSED


def test_a_change_is_in_the_next_answer() -> None:
    responder, zone = served()
    for type_ in ("A", "AAAA", "ANY"):
        ask(responder, question(WEB, type_))
    new = Record(WEB, "AAAA", "fd00::7", 60)
    responder.invalidate({zone.apex: zone.update([r for r in RECORDS if r.name == WEB], [new])})
    assert not ask(responder, question(WEB, "A")).answer
    assert texts(ask(responder, question(WEB, "AAAA")).answer) == {f"{WEB} 60 AAAA fd00::7"}
    assert texts(ask(responder, question(WEB, "ANY")).answer) == {f"{WEB} 60 AAAA fd00::7"}


def test_a_new_serial_is_in_the_next_answer() -> None:
    responder, zone = served()
    for name, type_ in (("mesos.", "SOA"), (WEB, "AAAA"), ("nope.mesos.", "A")):
        ask(responder, question(name, type_))
    responder.invalidate({zone.apex: zone.update([], [Record("x.mesos.", "A", "10.0.0.1", 60)])})
    for name, type_ in (("mesos.", "SOA"), (WEB, "AAAA"), ("nope.mesos.", "A")):
        answer = ask(responder, question(name, type_))
        (start,) = (answer.answer or answer.authority)[0]
        assert start.serial == zone.serial


def test_a_service_follows_the_addresses_of_its_targets() -> None:
    responder, zone = served()
    ask(responder, question(SRV, "SRV"))
    old = Record("web-2.marathon.mesos.", "A", "10.0.0.2", 60)
    new = Record("web-2.marathon.mesos.", "A", "10.0.0.77", 60)
    responder.invalidate({zone.apex: zone.update([old], [new])})
    answer = ask(responder, question(SRV, "SRV"))
    assert "web-2.marathon.mesos. 60 A 10.0.0.77" in texts(answer.additional)


def test_random_names_take_no_memory() -> None:
    responder, _ = served()
    ask(responder, question(WEB, "A"), tcp=True)
    ask(responder, question(WEB, "A"))
    known, size = len(responder._table), memory(responder)
    pick = random.Random(1)
    for _ in range(2000):
        name = "".join(pick.choices(string.ascii_lowercase, k=12))
        said(responder, question(f"{name}.mesos.", "A").to_wire())
        said(responder, question(WEB, f"TYPE{pick.randrange(300, 60000)}").to_wire())
    assert (len(responder._table), memory(responder)) == (known, size)


def memory(responder: Responder) -> int:
    """Return the octets of what was taught."""
    return responder.teacher.table.size if responder.teacher else 0


def test_services_that_come_and_go_leave_nothing_behind() -> None:
    responder, zone = served()
    for number in range(100):
        gone = Record("_x._tcp.mesos.", "SRV", f"0 1 80 gone{number}.mesos.", 60)
        responder.invalidate({zone.apex: zone.update([], [gone])})
        for type_ in ("SRV", "ANY"):
            ask(responder, question(gone.name, type_))
        responder.invalidate({zone.apex: zone.update([gone], [])})
    assert not responder._table
    assert not responder._table._dependents
    if responder.teacher:
        assert not responder.teacher.table.known(["_x._tcp.mesos."])


def test_outcomes_are_counted() -> None:
    responder, _ = served()
    ask(responder, question(WEB, "A"))
    ask(responder, question(WEB, "A"), tcp=True)
    ask(responder, question(WEB, "AAAA"))
    ask(responder, question("nope.mesos.", "A"))
    ask(responder, question("example.com.", "A"))
    said(responder, b"")
    counts = responder.counts
    counts.collect()
    assert {key: cell for key, cell in counts.queries.items() if cell != [0]} == {
        ("udp", "A", "answered"): [4],
        ("tcp", "A", "answered"): [4],
        ("udp", "AAAA", "nodata"): [4],
        ("udp", "A", "nxdomain"): [4],
        ("udp", "A", "refused"): [4],
    }
    assert counts.dropped == {"no_query": 1}


@given(st.binary(max_size=300))
def test_no_bytes_end_in_an_error(data: bytes) -> None:
    answer = said(served()[0], data)
    if answer is not None:
        assert answer[:2] == data[:2]
        assert answer[2] & 0x80
        # Never more than was asked for by far: nothing to amplify an attack with.
        assert len(answer) <= 1232


labels = st.sampled_from([b"web", b"_tcp", b"marathon", b"mesos", b"x.mesos", b"\0", b"\\"])


@given(
    st.lists(labels | st.binary(min_size=1, max_size=63), max_size=3),
    st.sampled_from([(), (b"mesos",), (b"marathon", b"MESOS")]),
    st.integers(0, 0xFFFF),
)
def test_every_answer_can_be_read_by_another_implementation(
    start: list[bytes], end: tuple[bytes, ...], type_: int
) -> None:
    name = b"".join(bytes([len(label)]) + label for label in (*start, *end)) + b"\0"
    head = bytes.fromhex("1234 0100 0001 0000 0000 0000")
    wire = head + name + type_.to_bytes(2) + b"\0\1"
    responder, _ = served()
    for _ in range(2):
        data = said(responder, wire)
        assert data is not None
        answer = dns.message.from_wire(data)
        assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED)
        assert data[12 : len(wire)] == wire[12:]


@given(st.integers(0, 40), st.binary(max_size=12), st.booleans())
def test_a_damaged_query_ends_in_an_answer_or_silence(at: int, noise: bytes, edns: bool) -> None:
    wire = question(SRV, "SRV", use_edns=0 if edns else False).to_wire()
    said(served()[0], wire[:at] + noise + wire[at + len(noise) :])


def test_a_query_is_counted_once_whatever_its_edns() -> None:
    responder, _ = served()
    for query in (
        question(WEB, "A"),
        question(WEB, "A", use_edns=1),
        dns.message.make_query(
            WEB, "A", use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")]
        ),
        question(WEB, "AAAA"),
        question(WEB, "AAAA", use_edns=1),
    ):
        ask(responder, query)
    counts = responder.counts
    assert [counts.total(o) for o in ("answered", "nodata", "badvers")] == [8, 4, 8]


def test_a_mirror_answers_with_its_own_names_and_follows_every_change() -> None:
    _, zone = served()
    apex = "mesos.thisdcos.directory."
    zones = Zones(zone, mirrors=[Mirror(apex, zone)])
    responder = answering(_paths[-1], zones)
    service, target = f"_x._tcp.{apex}", f"x-1.{apex}"
    old = Record("x-1.mesos.", "A", "10.0.0.7", 60)
    responder.invalidate(
        zones.update([], [Record("_x._tcp.mesos.", "SRV", "0 1 80 x-1.mesos.", 60), old])
    )
    answer = ask(responder, question(service, "SRV"))
    assert texts(answer.answer) == {f"{service} 60 SRV 0 1 80 {target}"}
    assert texts(answer.additional) == {f"{target} 60 A 10.0.0.7"}
    responder.invalidate(zones.update([old], [Record("x-1.mesos.", "A", "10.0.0.8", 60)]))
    assert texts(ask(responder, question(service, "SRV")).additional) == {f"{target} 60 A 10.0.0.8"}
    assert texts(ask(responder, question(target, "A")).answer) == {f"{target} 60 A 10.0.0.8"}
    missing = ask(responder, question(f"nope.{apex}", "A"))
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].name.to_text() == apex
