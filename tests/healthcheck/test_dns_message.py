import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.dns_message import belongs, judge, question, truncated
from pointsman.healthcheck.model import Dns, Failed, Outcome, Result

QUERY = b"id" + question("web.example.org", "A")[2:]
HEAD = QUERY[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + QUERY[12:]
RECORD = b"\0\1\0\1\0\0\0\x3c\0\4evil"


def answer(*data: str, query: bytes = QUERY, owner: str = "", code: int = 0) -> bytes:
    made = dns.message.make_response(dns.message.from_wire(query))
    name = owner or made.question[0].name
    made.set_rcode(dns.rcode.Rcode(code))
    for one in data:
        type_, _, text = one.partition(" ")
        made.answer.append(dns.rrset.from_text(name, 60, "IN", type_, text))
    return made.to_wire()


def judged(data: bytes, expect: str = "", rcode: str = "NOERROR") -> Result:
    try:
        return judge(data, QUERY, Dns("web.example.org", rcode=rcode, expect=expect))
    except Failed as failed:
        return failed.result


@pytest.mark.parametrize("type_", ["A", "AAAA", "SRV", "SOA", "HTTPS", "TYPE65280"])
@pytest.mark.parametrize("name", [".", "mesos", "Web.marathon.mesos.", "_web._tcp.example.org"])
def test_a_question_is_what_another_library_reads(name: str, type_: str) -> None:
    read = dns.message.from_wire(question(name, type_))
    assert read.id == 0
    assert read.flags == dns.flags.RD
    (asked,) = read.question
    assert asked.name == dns.name.from_text(name)
    assert asked.rdtype == dns.rdatatype.from_text(type_)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("a..b", "A"),
        ("a" * 64, "A"),
        (".".join(["a" * 60] * 5), "A"),
        ("web", "NONE"),
        ("web", "TYPE70000"),
        ("web", "forward"),
        ("web", ""),
    ],
)
def test_what_cannot_be_asked_is_said(name: str, type_: str) -> None:
    with pytest.raises(ValueError, match="nobody can be asked"):
        question(name, type_)


def test_an_answer_belongs_to_its_question_in_whatever_case() -> None:
    assert belongs(answer("A 192.0.2.1"), QUERY)
    assert belongs(HEAD.replace(b"example", b"eXAMPLE"), QUERY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"id",
        QUERY,
        HEAD[:11],
        HEAD[:-1],
        b"no" + HEAD[2:],
        HEAD.replace(b"web", b"wob"),
        HEAD[:-4] + b"\0\x1c\0\1",
        HEAD[:2] + b"\xa8\0" + HEAD[4:],
        HEAD[:4] + b"\0\2" + HEAD[6:],
        HEAD[:4] + b"\0\0" + HEAD[6:],
    ],
)
def test_what_answers_something_else_does_not_belong(data: bytes) -> None:
    assert not belongs(data, QUERY)


def test_types_that_differ_like_cases_of_letters_are_different() -> None:
    https = question("web", "HTTPS")
    assert not belongs(https[:2] + b"\x81\x80" + https[4:-3] + b"\x61\0\1", https)
    assert belongs(https[:2] + b"\x81\x80" + https[4:], https)


def test_truncation_is_seen() -> None:
    assert truncated(HEAD[:2] + b"\x83\x80" + HEAD[4:])
    assert not truncated(HEAD)


def test_the_code_has_to_be_the_expected_one() -> None:
    assert judged(answer("A 192.0.2.1")) == Result(Outcome.GOOD, "NOERROR")
    assert judged(answer(code=3)) == Result(Outcome.BAD, "NXDOMAIN, expected NOERROR")
    assert judged(answer(code=3), rcode="NXDOMAIN") == Result(Outcome.GOOD, "NXDOMAIN")
    assert judged(answer(), rcode="NXDOMAIN") == Result(Outcome.BAD, "NOERROR, expected NXDOMAIN")
    assert judged(answer(code=11)).reason == "11, expected NOERROR"


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        ("A 192.0.2.1", "192.0.2.1"),
        ("AAAA 2001:db8::1", "2001:DB8:0::1"),
        ("CNAME WWW.example.org.", "www.example.org."),
        ("NS ns.example.org.", "ns.example.org."),
        ("SRV 0 5 80 www.example.org.", "0 5 80 www.example.org."),
        ("MX 10 mail.example.org.", "10 mail.example.org."),
        ('TXT "one" "two; three"', '"one" "two; three"'),
        ('TXT "v=1"', "v=1"),
        ("TYPE65280 \\# 2 abcd", "\\# 2 ABCD"),
    ],
)
def test_the_expected_data_is_found_among_the_answers(data: str, expect: str) -> None:
    message = answer("A 192.0.2.9", data, "A 192.0.2.8")
    assert judged(message, expect).outcome == Outcome.GOOD


def test_other_data_is_named() -> None:
    message = answer("A 192.0.2.1", "A 192.0.2.2")
    assert judged(message, "192.0.2.3") == Result(
        Outcome.BAD, "192.0.2.1 and 192.0.2.2, expected 192.0.2.3"
    )
    assert judged(answer(), "192.0.2.3").reason == "no data, expected 192.0.2.3"
    assert judged(answer('TXT "V=1"'), "v=1").outcome == Outcome.BAD


def test_a_reason_is_short_whatever_came() -> None:
    many = answer(*(f"A 198.51.100.{n}" for n in range(250)))
    assert len(judged(many, "192.0.2.1").reason) < 240
    assert len(judged(answer('TXT "' + "a" * 250 + '"'), "a" * 250).reason) == 200


@pytest.mark.parametrize(
    "data",
    [
        HEAD + (0xC000 | len(HEAD)).to_bytes(2) + RECORD,  # a name that points to itself
        HEAD + b"\1a" + (0xC000 | len(HEAD)).to_bytes(2) + RECORD,
        HEAD + b"\xff\xff" + RECORD,
        HEAD + b"\x3f" * 400,
        HEAD + b"\x40" + bytes(90) + RECORD,
        HEAD + b"\xc0\x0c" + RECORD[:-1],
        HEAD + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\1a",
        HEAD + b"\xc0\x0c\0\x05\0\1\0\0\0\x3c\0\2" + (0xC000 | len(HEAD) + 12).to_bytes(2),
        HEAD,
    ],
)
def test_a_damaged_answer_is_bad_when_its_data_matter(data: bytes) -> None:
    assert judged(data, "192.0.2.1") == Result(Outcome.BAD, "the answer is damaged")
    assert judged(data).outcome == Outcome.GOOD


def test_only_the_first_answers_are_looked_at() -> None:
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    head = HEAD[:6] + b"\xff\xff" + HEAD[8:]
    assert judged(head + record * 4000, "192.0.2.2").reason.endswith("expected 192.0.2.2")
    end = head + record * 256 + record[:-1] + b"\2"
    assert judged(end, "192.0.2.2").outcome == Outcome.BAD


@given(st.binary(max_size=200), st.sampled_from([0, 1, 2, 300]), st.sampled_from(["", "a", '"a"']))
def test_random_octets_raise_nothing_else(rest: bytes, count: int, expect: str) -> None:
    judged(HEAD[:6] + count.to_bytes(2) + HEAD[8:] + rest, expect)
    belongs(rest, QUERY)


@given(
    st.sampled_from([number for number in dnslib.QTYPE.forward if number < 32_768]),
    st.binary(max_size=60),
)
def test_random_data_of_any_type_raise_nothing_else(type_: int, data: bytes) -> None:
    fixed = b"\xc0\x0c" + type_.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2)
    judged(HEAD + fixed + data, "192.0.2.1")
