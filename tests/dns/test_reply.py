"""What an upstream says, with dnspython as the oracle: what comes out is what went in."""

from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.dns import message, reply, wire
from pointsman.dns.query import Query
from pointsman.dns.query import read as read_query
from pointsman.dns.reply import STALE, Reply

NAME = "www.example.org."
SOA = "example.org. 600 IN SOA ns.example.org. root.example.org. 1 2 3 4 300"
TEXTS = (
    "A 192.0.2.1",
    "AAAA 2001:db8::1",
    "NS ns.example.org.",
    "CNAME web.example.org.",
    "SOA ns.example.org. root.example.org. 1 2 3 4 5",
    "PTR a.b.c.example.org.",
    "MX 10 mail.example.org.",
    'TXT "a" "b.c"',
    "SRV 0 1 80 web.example.org.",
    "RP a.example.org. b.example.org.",
    "AFSDB 1 db.example.org.",
    "KX 1 kx.example.org.",
    "DNAME example.net.",
    'NAPTR 100 50 "s" "http" "" _http._tcp.example.org.',
    "NSEC z.example.org. A AAAA",
    "RRSIG A 8 3 3600 20300101000000 20200101000000 1 example.org. AAAA",
    "SVCB 1 svc.example.org. port=53",
    "HTTPS 0 web.example.org.",
    "CAA 0 issue ca.example.net",
    r"TYPE65280 \# 3 c00c00",
)


def asked(
    name: str = NAME, type_: str = "A", *, edns: bool = True, most: int = 1232, **options: Any
) -> Query:
    made = dns.message.make_query(name, type_, use_edns=0 if edns else -1, **options)
    query = read_query(made.to_wire())
    assert isinstance(query, Query)
    query.opt = message.opt(1232, query.dnssec) if edns else b""
    query.most = most
    return query


def said(
    *answer: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    name: str = NAME,
    type_: str = "A",
    code: int = 0,
    edns: bool = True,
) -> bytes:
    """Return an upstream's message with these records."""
    made = dns.message.make_response(
        dns.message.make_query(name, type_, use_edns=0 if edns else -1), recursion_available=True
    )
    made.set_rcode(dns.rcode.Rcode(code))
    sections = ((made.answer, answer), (made.authority, authority), (made.additional, additional))
    for section, lines in sections:
        for line in lines:
            owner, ttl, _, kind, data = line.split(" ", 4)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return made.to_wire(max_size=65_535)


def known(data: bytes) -> Reply:
    found = reply.read(data)
    assert found is not None
    return found


def parsed(found: Reply, query: Query, age: int = 0) -> dns.message.Message:
    return dns.message.from_wire(found.answer(query, age))


def records(section: list[dns.rrset.RRset]) -> list[tuple[str, int, str]]:
    return sorted(
        (
            str(rrset.name).lower(),
            rrset.ttl,
            f"{dns.rdatatype.to_text(rrset.rdtype)} {data}".lower(),
        )
        for rrset in section
        for data in rrset
    )


LABEL = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
OWNER = st.lists(LABEL, min_size=1, max_size=3).map(lambda p: ".".join([*p, "example.org."]))
RECORD = st.builds(
    "{} {} IN {}".format, OWNER, st.integers(30, reply.MOST_TTL), st.sampled_from(TEXTS)
)


@given(
    st.lists(RECORD, max_size=6),
    st.lists(RECORD, max_size=4),
    st.lists(RECORD, max_size=6),
    OWNER,
    st.integers(0, 29),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_what_comes_out_is_what_went_in_but_for_id_case_ttl_and_opt(
    answer: list[str],
    authority: list[str],
    additional: list[str],
    name: str,
    age: int,
    random: Any,
    edns: bool,
) -> None:
    data = said(
        *answer,
        authority=tuple(authority),
        additional=tuple(additional),
        name=name.lower(),
        type_="TXT",
        edns=edns,
    )
    other = "".join(random.choice((c.lower(), c.upper())) for c in name)
    query = asked(other, "TXT", most=65_535, want_dnssec=edns)
    found = known(data)
    one, two = dns.message.from_wire(data), parsed(found, query, age)
    assert (two.id, str(two.question[0].name)) == (int.from_bytes(query.data[:2]), other)
    assert dns.flags.to_text(two.flags) == "QR RD RA"
    assert (two.edns, two.payload, two.ednsflags) == (0, 1232, dns.flags.DO if edns else 0)
    negative = found.lifetime and "TXT" not in [line.split(" ")[3] for line in answer]
    for before, after in zip(one.sections[1:], two.sections[1:], strict=True):
        aged = [
            (owner, min(ttl, reply.MOST_NEGATIVE if negative else ttl) - age, data)
            for owner, ttl, data in records(before)
        ]
        if not negative:
            assert records(after) == aged
        # They are sorted by TTL as well, and a cap may change that order.
        assert sorted((o, d) for o, _, d in records(after)) == sorted((o, d) for o, _, d in aged)


def test_a_ttl_falls_with_each_second_and_all_of_an_old_answer_are_thirty() -> None:
    found = known(said(f"{NAME} 300 IN CNAME web.example.org.", "web.example.org. 60 IN A 1.2.3.4"))
    assert found.lifetime == 60
    query = asked()
    ages = (0, 59, STALE, 1, 0)
    ttls = [[ttl for _, ttl, _ in records(parsed(found, query, age).answer)] for age in ages]
    assert ttls == [[60, 300], [1, 241], [30, 30], [59, 299], [60, 300]]


@pytest.mark.parametrize(
    ("ttl", "counts"), [(2**31, 0), (2**32 - 1, 0), (2**31 - 1, 604_800), (0, 0)]
)
def test_a_ttl_counts_as_far_as_it_may(ttl: int, counts: int) -> None:
    data = said(f"{NAME} 7 IN A 192.0.2.1", edns=False)
    at = data.rindex(b"\0\0\0\7")
    found = known(data[:at] + ttl.to_bytes(4) + data[at + 4 :])
    assert found.lifetime == counts
    assert parsed(found, asked()).answer[0].ttl == counts


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize(
    ("soa", "lifetime"),
    [
        (SOA, 300),
        (SOA.replace(" 600 ", " 20 "), 20),
        (SOA.replace(" 600 ", " 86400 ").replace(" 300", " 86400"), 10_800),
        (SOA.replace(" 300", " 0"), 0),
    ],
)
def test_what_is_not_there_is_so_for_as_long_as_the_soa_says(
    code: int, soa: str, lifetime: int
) -> None:
    found = known(said(authority=(soa,), code=code))
    assert (found.code, found.lifetime) == (code, lifetime)
    if lifetime:
        assert parsed(found, asked()).authority[0].ttl == lifetime
    alias = known(said(f"{NAME} 60 IN CNAME gone.example.org.", authority=(soa,), code=code))
    assert alias.lifetime == min(60, lifetime)


def test_what_is_not_there_is_not_kept_without_soa() -> None:
    assert known(said(code=3)).lifetime == 0
    assert known(said(authority=("example.org. 60 IN NS ns.example.org.",))).lifetime == 0
    alias = f"{NAME} 60 IN CNAME gone.example.org."
    assert known(said(alias)).lifetime == 0
    assert known(said(alias, type_="CNAME")).lifetime == 60
    assert known(said(alias, type_="ANY")).lifetime == 60


def test_what_does_not_fit_is_left_out_if_it_is_extra_help_and_else_sends_to_tcp() -> None:
    many = tuple(f"{NAME} 60 IN A 192.0.2.{n}" for n in range(20))
    help_ = tuple(f"x{n}.example.org. 60 IN A 192.0.2.1" for n in range(30))
    found = known(said(*many, additional=help_))
    whole = parsed(found, asked(most=65_535))
    assert len(whole.additional) == 30
    less = parsed(found, asked(most=500))
    assert (len(less.answer[0]), less.additional, less.flags & dns.flags.TC) == (20, [], 0)
    none = parsed(found, asked(most=300))
    assert (none.answer, bool(none.flags & dns.flags.TC), none.edns) == ([], True, 0)
    assert len(found.answer(asked(most=300), 0)) < 100


def test_options_and_signatures_of_the_upstream_end_here_and_what_is_behind_them() -> None:
    data = bytearray(said(f"{NAME} 60 IN A 192.0.2.1", edns=False))
    extra = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
    cookie = b"\0\0\x29\4\xd0\0\0\x80\0\0\x0c\0\x0a\0\x08cookie.."
    tsig = b"\0\0\xfa\0\xff\0\0\0\0\0\2hi"
    data[11] = 4
    found = known(bytes(data) + extra + cookie + extra + tsig)
    made = parsed(found, asked(edns=False))
    assert (made.edns, len(made.additional), made.had_tsig) == (-1, 1, False)
    assert found.edns


def test_the_upper_bits_of_a_code_stand_in_opt() -> None:
    assert known(said(code=16)).code == 16


def test_the_flags_of_the_question_come_back_and_others_do_not() -> None:
    data = bytearray(said(f"{NAME} 60 IN A 192.0.2.1"))
    data[2:4] = (0x8580 | 0x20).to_bytes(2)  # AA and AD of the upstream
    found = known(bytes(data))
    assert parsed(found, asked(flags=dns.flags.RD)).flags == 0x8180
    both = dns.flags.RD | dns.flags.CD | dns.flags.AD
    assert parsed(found, asked(flags=both)).flags == 0x8190


def test_an_answer_belongs_to_its_question() -> None:
    data = said(f"{NAME} 60 IN A 192.0.2.1")
    question, id_ = data[12 : 12 + len(wire.name(NAME)) + 4], data[:2]
    assert reply.belongs(data, id_, question)
    upper = data[:12] + question[:-4].upper() + question[-4:] + data[12 + len(question) :]
    assert reply.belongs(upper, id_, question)
    assert not reply.belongs(data, bytes(2) if any(id_) else b"\1\1", question)
    assert not reply.belongs(data, id_, question.replace(b"www", b"xww"))
    assert not reply.belongs(data, id_, question[:-4] + b"\0\x41\0\1")
    assert not reply.belongs(data[:2] + b"\1" + data[3:], id_, question)  # a question
    assert not reply.belongs(data[:2] + b"\xa8" + data[3:], id_, question)  # an update
    assert not reply.belongs(data[:11], id_, question)
    none = data[:2] + b"\x80\1" + bytes(8)
    assert reply.belongs(none, id_, question)
    assert known(none).code == wire.FORMERR
    assert not reply.belongs(data[:2] + b"\x80\0" + bytes(8), id_, question)


def test_the_type_does_not_change_with_the_case_of_the_name() -> None:
    data = said(type_="HTTPS")
    assert not reply.belongs(data, data[:2], wire.name(NAME) + b"\0\x61\0\1")


HEAD = b"\0\1\x81\x80\0\1\0\1\0\0\0\0"
QUESTION = b"\3www\7example\3org\0\0\1\0\1"
REST = b"\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
CNAME = b"\xc0\x0c\0\5\0\1\0\0\0\x3c"


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0\x21" + REST,  # a pointer to itself
        b"\xc0\x23" + REST,  # ahead
        b"\xc0\x00" + REST,  # into the header
        b"\xc0\x0d" + REST,  # into a label
        b"\xc0\x1e" + REST,  # into the type of the question
        b"\xff\xff" + REST,
        b"\x40a\0" + REST,
        b"\x80a\0" + REST,
        b"\x3f" + REST,
        b"\xc0\x0c" + REST[:-1],
        b"\xc0\x0c" + REST + b"x",
        b"\xc0\x0c" + REST[:8] + b"\0\5\1\2\3\4\5",  # an address of five octets
        b"\xc0\x0c\0\1\0\3" + REST[4:],  # of CHAOS
        CNAME + b"\0\2\xc0\x27",  # a pointer into the TTL before it
        CNAME + b"\0\2\xc0\x2d",  # to itself
        CNAME + b"\0\3\xc0\x0c\0",
        CNAME + b"\0\0",
        b"\xc0\x0c\0\x23\0\1\0\0\0\x3c\0\5\0\1\0\1\xff",  # NAPTR that ends in a text
        b"\0\0\x29\4\xd0\0\0\0\0\0\0",  # OPT for an answer
        b"",
    ],
)
def test_what_is_damaged_is_not_taken(record: bytes) -> None:
    assert reply.read(HEAD + QUESTION + b"\xc0\x0c" + REST) is not None
    assert reply.read(HEAD + QUESTION + record) is None


def test_a_name_made_of_pointers_is_no_longer_than_a_name_may_be() -> None:
    def chained(links: int) -> bytes:
        data, target = HEAD[:7] + bytes([links]) + HEAD[8:] + QUESTION, 12
        for _ in range(links):
            begins = len(data)
            data += b"\x3c" + b"a" * 60 + (0xC000 | target).to_bytes(2) + REST
            target = begins
        return data

    assert reply.read(chained(3)) is not None
    assert reply.read(chained(4)) is None


@given(st.binary(max_size=300))
@example(bytes(12))
def test_no_octets_are_an_error(data: bytes) -> None:
    found = reply.read(HEAD + QUESTION + data)
    if found is not None:
        dns.message.from_wire(found.answer(asked(), 0))


@given(st.data())
def test_a_damaged_message_is_dropped_or_still_one_that_can_be_read(data: st.DataObject) -> None:
    lines = [f"{NAME} 60 IN {text}" for text in TEXTS if "TYPE" not in text]
    good = bytearray(said(*lines, authority=(SOA,), additional=tuple(lines[:3])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(12 + len(QUESTION), len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    found = reply.read(bytes(good))
    if found is not None and found.code in (0, 3):
        for age in (0, 5, STALE):
            out = found.answer(asked(most=65_535), age)
            assert reply.read(out) is not None


def test_addresses_take_turns_and_nothing_else_moves() -> None:
    lines = [f"{NAME} 60 IN CNAME web.example.org.", "web.example.org. 60 IN A 192.0.2.1"]
    lines += [f"web.example.org. 60 IN A 192.0.2.{n}" for n in (2, 3)]
    found = known(said(*lines, additional=("web.example.org. 60 IN TXT x",)))
    seen = []
    for age in (0, 0, 7, 7):
        made = parsed(found, asked(), age)
        alias, web = made.answer
        assert (alias.ttl, web.ttl) == (60 - age, 60 - age)
        assert str(alias[0]) == str(web.name) == str(made.additional[0].name) == "web.example.org."
        seen.append("".join(str(one)[-1] for one in web))
    assert seen == ["231", "312", "123", "231"]


def test_addresses_of_two_names_do_not_change_places() -> None:
    lines = [f"{owner} 60 IN A 192.0.2.{n}" for n, owner in enumerate((NAME, NAME, "a.b.", NAME))]
    found = known(said(*lines))
    assert records(parsed(found, asked()).answer) == records(parsed(found, asked()).answer)
