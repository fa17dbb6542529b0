"""What the RFCs demand of a server with authority, message by message; dnspython reads them.

Each case is asked four times over both transports: worked out, compiled, learnt, learnt again. All
is asked of each path: of Python alone, of a taught table, and over a socket of native threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

from pointlab.servers.paths import Asked, answering, served
from pointsman.dns.answer import Settings
from pointsman.dns.cookies import Cookies
from pointsman.dns.records import Record
from pointsman.dns.zone import Soa, Zone, Zones

RECORDS = [
    Record("web.mesos.", "A", "10.0.0.1", 60),
    Record("web.mesos.", "A", "10.0.0.2", 30),
    Record("web.mesos.", "AAAA", "fd00::1", 60),
    Record("_web._tcp.mesos.", "SRV", "0 1 80 web.mesos.", 60),
    Record("_far._tcp.mesos.", "SRV", "0 1 80 web.example.com.", 60),
    Record("text.mesos.", "TXT", '"a b" c', 60),
    Record("a.b.c.mesos.", "A", "10.0.0.3", 60),
    *(Record("many.mesos.", "A", f"10.1.0.{n}", 60) for n in range(100)),
]
NOW = 1_700_000_000.0
_paths = ["python"]


@pytest.fixture(autouse=True, scope="module")
def taken(path: str) -> Iterator[None]:
    """Have all be asked by a path."""
    _paths.append(path)
    yield
    _paths.pop()


@contextmanager
def responder() -> Iterator[Asked]:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos.", minimum=30), 60, ["10.0.0.9"], 6)
    zone.update((), RECORDS)
    zone.loaded = True
    settings = Settings(nsid="node-7")
    cookies = Cookies(b"secret", lambda: NOW)
    path = _paths[-1]
    with served(answering(path, Zones(zone), settings=settings, cookies=cookies), path) as asked:
        yield asked


def once(data: bytes) -> bytes:
    """Ask once over UDP."""
    with responder() as served:
        answer = served.udp(data, "10.0.0.1")
    assert isinstance(answer, bytes)
    return answer


def asked(query: dns.message.Message | bytes, *, tcp: bool = False) -> dns.message.Message:
    """Ask four times and want the same each time, but for whose turn it is."""
    data = query if isinstance(query, bytes) else query.to_wire()
    found = []
    with responder() as served:
        for _ in range(4):
            answer = (served.tcp if tcp else served.udp)(data, "10.0.0.1")
            assert isinstance(answer, bytes)
            assert answer[:2] == data[:2]
            found.append(dns.message.from_wire(answer))
    for one in found:
        assert [sorted(map(str, part)) for part in sections(one)] == [
            sorted(map(str, part)) for part in sections(found[0])
        ]
        assert one.flags == found[0].flags
    return found[0]


def sections(message: dns.message.Message) -> list[list[str]]:
    parts = (message.answer, message.authority, message.additional)
    return [[f"{r.name} {r.ttl} {r.rdtype} {d}" for r in part for d in r] for part in parts]


def question(name: str, type_: str = "A", **options: Any) -> dns.message.Message:
    return dns.message.make_query(name, type_, **options)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "type_", "code", "answers", "authority", "additional"),
    [
        # RFC 1035 section 6.2, RFC 2181 section 5.2: one TTL for an rrset, the lowest.
        ("web.mesos.", "A", "NOERROR", ["10.0.0.1", "10.0.0.2"], [], []),
        ("web.mesos.", "AAAA", "NOERROR", ["fd00::1"], [], []),
        ("text.mesos.", "TXT", "NOERROR", ['"a b" "c"'], [], []),
        # RFC 2782: addresses of targets that are ours.
        ("_web._tcp.mesos.", "SRV", "NOERROR", ["0 1 80 web.mesos."], [],
         ["10.0.0.1", "10.0.0.2", "fd00::1"]),
        ("_far._tcp.mesos.", "SRV", "NOERROR", ["0 1 80 web.example.com."], [], []),
        ("mesos.", "NS", "NOERROR", ["ns1.mesos."], [], ["10.0.0.9"]),
        ("mesos.", "SOA", "NOERROR", ["ns1.mesos. root.ns1.mesos. 7 60 600 86400 30"], [], []),
        # RFC 2308 section 2: no with the SOA; RFC 8020: names with names below them are there.
        ("web.mesos.", "SRV", "NOERROR", [], ["SOA"], []),
        ("b.c.mesos.", "A", "NOERROR", [], ["SOA"], []),
        ("c.mesos.", "ANY", "NOERROR", [], ["SOA"], []),
        ("_tcp.mesos.", "SRV", "NOERROR", [], ["SOA"], []),
        ("d.c.mesos.", "A", "NXDOMAIN", [], ["SOA"], []),
        ("x.web.mesos.", "A", "NXDOMAIN", [], ["SOA"], []),
        ("*.mesos.", "A", "NXDOMAIN", [], ["SOA"], []),
        # RFC 3597: types that nobody knows; RFC 9460: one that many ask for.
        ("web.mesos.", "TYPE65280", "NOERROR", [], ["SOA"], []),
        ("web.mesos.", "HTTPS", "NOERROR", [], ["SOA"], []),
        ("web.mesos.", "DS", "NOERROR", [], ["SOA"], []),
        # RFC 8482 section 4.1: one rrset is enough.
        ("web.mesos.", "ANY", "NOERROR", ["10.0.0.1", "10.0.0.2"], [], []),
        ("mesos.", "ANY", "NOERROR", ["ns1.mesos."], [], ["10.0.0.9"]),
        # Not ours.
        ("example.com.", "A", "REFUSED", [], [], []),
        (".", "NS", "REFUSED", [], [], []),
        ("esos.", "A", "REFUSED", [], [], []),
        ("web.mesos.", "AXFR", "REFUSED", [], [], []),
        ("web.mesos.", "MAILB", "REFUSED", [], [], []),
    ],
)  # fmt: skip
def test_what_is_answered(
    name: str, type_: str, code: str, answers: list[str], authority: list[str],
    additional: list[str], tcp: bool,
) -> None:  # fmt: skip
    query = question(name, type_)
    found = asked(query, tcp=tcp)
    assert query.is_response(found)
    assert dns.rcode.to_text(found.rcode()) == code
    assert bool(found.flags & dns.flags.AA) == (code != "REFUSED")
    assert not found.flags & (dns.flags.RA | dns.flags.AD | dns.flags.TC)
    assert sorted(str(d) for rrset in found.answer for d in rrset) == sorted(answers)
    assert [dns.rdatatype.to_text(r.rdtype) for r in found.authority] == authority
    assert sorted(str(d) for rrset in found.additional for d in rrset) == sorted(additional)
    if authority:
        assert (str(found.authority[0].name), found.authority[0].ttl) == ("mesos.", 30)
    if name == "web.mesos." and type_ == "A":
        assert found.answer[0].ttl == 30


# The header (RFC 1035 section 4.1.1, RFC 6895 section 2).


@pytest.mark.parametrize("flags", [0, dns.flags.RD, dns.flags.CD, dns.flags.AD, 0x0040])
def test_of_a_querys_flags_rd_alone_comes_back(flags: int) -> None:
    query = question("web.mesos.")
    query.flags = dns.flags.Flag(flags)
    found = asked(query)
    assert found.flags == dns.flags.QR | dns.flags.AA | (flags & dns.flags.RD)
    assert len(found.answer[0]) == 2


@pytest.mark.parametrize("opcode", [1, 2, 3, 4, 5, 6, 15])
def test_other_opcodes_are_not_implemented(opcode: int) -> None:
    data = bytearray(question("web.mesos.").to_wire())
    data[2] |= opcode << 3
    answer = once(bytes(data))
    assert answer[:4] == data[:2] + bytes([0x81 | opcode << 3, dns.rcode.NOTIMP])


@pytest.mark.parametrize("class_", [dns.rdataclass.CH, dns.rdataclass.HS, 254, 255, 0, 65_280])
def test_other_classes_are_refused(class_: int) -> None:
    query = question("web.mesos.")
    query.question[0].rdclass = dns.rdataclass.RdataClass(class_)
    answer = once(query.to_wire())
    assert answer[3] & 0xF == dns.rcode.REFUSED


# Names (RFC 4343; RFC 1035 section 2.3.4).


@pytest.mark.parametrize("name", ["WEB.mesos.", "web.MESOS.", "wEb.mEsOs."])
def test_case_matters_to_no_lookup_and_comes_back_as_it_was_sent(name: str) -> None:
    query = question(name)
    found = asked(query)
    assert found.question[0].name.labels == query.question[0].name.labels
    assert found.answer[0].name.labels == query.question[0].name.labels
    assert len(found.answer[0]) == 2


def test_the_longest_name_there_can_be() -> None:
    labels = [b"x" * 63, b"x" * 63, b"x" * 63, b"x" * 55, b"mesos", b""]
    name = dns.name.Name(labels)
    assert sum(len(label) + 1 for label in labels) == 255
    assert asked(question(str(name))).rcode() == dns.rcode.NXDOMAIN
    longer = b"\1x" + b"".join(bytes([len(label)]) + label for label in labels)
    data = question("web.mesos.").to_wire()[:12] + longer + b"\0\1\0\1"
    assert asked(data).rcode() == dns.rcode.FORMERR


# EDNS (RFC 6891).


@pytest.mark.parametrize(("size", "room"), [(0, 512), (511, 512), (512, 512), (1232, 1232),
                                            (4096, 1232), (65_535, 1232)])  # fmt: skip
def test_a_client_says_how_much_it_takes(size: int, room: int) -> None:
    found = asked(question("many.mesos.", use_edns=0, payload=size))
    assert found.flags & dns.flags.TC
    assert not found.answer
    assert (found.edns, found.payload) == (0, 1232)
    exact = question("web.mesos.", use_edns=0, payload=size)
    assert len(asked(exact).to_wire()) <= room
    assert len(asked(question("many.mesos.", use_edns=0, payload=size), tcp=True).answer[0]) == 100


@pytest.mark.parametrize("version", [1, 2, 255])
def test_another_version_is_told_ours(version: int) -> None:
    found = asked(question("web.mesos.", use_edns=version))
    assert found.rcode() == dns.rcode.BADVERS
    assert found.edns == 0
    assert found.question
    assert not found.answer


def opt(size: int = 1232, rdata: bytes = b"", owner: bytes = b"\0") -> bytes:
    return owner + b"\0\x29" + size.to_bytes(2) + bytes(4) + len(rdata).to_bytes(2) + rdata


@pytest.mark.parametrize(
    ("counts", "rest"),
    [
        (b"\0\0\0\0\0\2", opt() + opt()),
        (b"\0\0\0\0\0\1", opt(owner=b"\1x\0")),
        (b"\0\0\0\1\0\0", opt()),
        (b"\0\1\0\0\0\0", opt()),
        (b"\0\0\0\0\0\1", opt(rdata=b"\0\x0a\0\x08short")),
        (b"\0\0\0\0\0\1", opt(rdata=b"\0\x0a\0\x04shrt")),
        (b"\0\0\0\0\0\1", opt()[:-1]),
        (b"\0\0\0\0\0\1", b""),
    ],
    ids=["two", "with a name", "in authority", "in answer", "cut option", "short cookie", "cut",
         "missing"],
)  # fmt: skip
def test_what_can_not_be_edns_is_a_format_error(counts: bytes, rest: bytes) -> None:
    data = question("web.mesos.", use_edns=False).to_wire()
    assert asked(data[:6] + counts + data[12:] + rest).rcode() == dns.rcode.FORMERR


def test_without_edns_there_is_none_in_the_answer() -> None:
    for name, type_ in (("web.mesos.", "A"), ("nope.mesos.", "A"), ("example.com.", "A")):
        assert asked(question(name, type_, use_edns=False)).edns == -1
        assert asked(question(name, type_, use_edns=0)).edns == 0


def test_options_that_nobody_knows_are_passed_over() -> None:
    unknown = dns.edns.GenericOption("65001", b"x")
    found = asked(question("web.mesos.", use_edns=0, options=[unknown]))
    assert len(found.answer[0]) == 2
    assert found.options == ()


# Cookies (RFC 7873 section 5.2) and NSID (RFC 5001).


def options(found: dns.message.Message) -> dict[int, bytes]:
    return {int(option.otype): option.to_wire() or b"" for option in found.options}


def cookie(value: bytes) -> dns.message.Message:
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, value)
    return question("web.mesos.", use_edns=0, options=[option])


def test_a_client_gets_its_cookie_with_ours_whatever_it_showed() -> None:
    fresh = options(asked(cookie(b"12345678")))[10]
    assert (len(fresh), fresh[:8]) == (24, b"12345678")
    for shown in (fresh, b"12345678" + bytes(8), b"12345678" + bytes(32)):
        found = asked(cookie(shown))
        assert options(found)[10] == fresh
        assert len(found.answer[0]) == 2


def test_a_server_tells_its_name_to_who_asks() -> None:
    nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
    assert options(asked(question("web.mesos.", use_edns=0, options=[nsid])))[3] == b"node-7"
    assert 3 not in options(asked(question("web.mesos.", use_edns=0)))


# How long a connection may be silent (RFC 7828): over TCP alone.


def test_a_client_is_told_how_long_its_connection_may_be_silent() -> None:
    query = question("web.mesos.", use_edns=0, options=[dns.edns.GenericOption("11", b"")])
    assert options(asked(query, tcp=True))[11] == (100).to_bytes(2)
    assert 11 not in options(asked(query))
    assert 11 not in options(asked(question("web.mesos.", use_edns=0), tcp=True))


# Compression (RFC 1035 section 4.1.4, RFC 2782, RFC 3597 section 4).


def test_names_of_owners_are_compressed_and_those_in_services_are_not() -> None:
    data = question("_web._tcp.mesos.", "SRV").to_wire()
    answer = once(data)
    assert answer.count(b"\5mesos") == 2  # in the question, and in the target
    assert answer[len(data) :].startswith(b"\xc0\x0c\0\x21")
