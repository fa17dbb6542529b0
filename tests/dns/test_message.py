"""Whole answers put together from what was compiled of them."""

import dns.flags
import dns.message
import pytest

from pointsman.dns import message, wire
from pointsman.dns.message import Parts, Ready
from pointsman.dns.query import Query, read

QUESTION = dns.message.make_query("web.mesos.", "A", id=7).to_wire()


def asked(data: bytes = QUESTION) -> Query:
    query = read(data)
    assert isinstance(query, Query)
    return query


def addresses(count: int) -> list[bytes]:
    return [wire.record(wire.pointer(12), "A", 60, bytes([10, 0, 0, n])) for n in range(count)]


def read_back(data: bytes) -> dns.message.Message:
    return dns.message.from_wire(data)


def test_an_answer_has_the_sections_of_what_was_compiled() -> None:
    extra = wire.record(wire.name("x.mesos."), "A", 60, b"\n\0\0\x09")
    whole = message.assembled(asked(), wire.QR | wire.AA, Ready(addresses(2), [], [extra]))
    answer = read_back(whole)
    assert answer.id == 7
    assert len(answer.answer[0]) == 2
    assert [str(r.name) for r in answer.additional] == ["x.mesos."]


def test_each_record_comes_first_in_turn_and_begins_by_chance() -> None:
    ready = Ready(addresses(3), [], [])
    firsts = [str(read_back(message.assembled(asked(), wire.QR, ready)).answer[0][0])]
    firsts += [str(read_back(message.assembled(asked(), wire.QR, ready)).answer[0][0])]
    firsts += [str(read_back(message.assembled(asked(), wire.QR, ready)).answer[0][0])]
    assert sorted(firsts) == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    assert len({Ready(addresses(3), [], []).next for _ in range(100)}) == 3


@pytest.mark.parametrize("count", [1, 3])
def test_ready_answers_are_those_that_would_be_made(count: int) -> None:
    made = Ready(addresses(count), [], [])
    parts = Parts(asked().question, wire.QR, made, b"", 512)
    kept = message.bodies(parts, 512)
    assert kept is not None
    found = [next(kept) for _ in range(2 * count)]
    assert found == [message.body(parts) for _ in range(2 * count)]


def test_what_is_cut_is_kept_and_what_is_too_long_is_not() -> None:
    parts = Parts(asked().question, wire.QR, Ready(addresses(40), [], []), b"", 512)
    cut = message.bodies(parts, 512)
    assert cut is not None
    assert next(cut) == next(cut) == message.body(parts)
    assert message.bodies(parts._replace(most=1232), 512) is None


@pytest.mark.parametrize("count", [29, 30])
def test_an_answer_fits_to_the_octet_or_is_left_out_whole(count: int) -> None:
    # 512 octets: the header's 12, the question's 15 and, of 16 each, 30 records (30.3).
    query = asked()
    exact = 12 + len(query.question) + 16 * count
    query.most = exact
    assert len(message.assembled(query, wire.QR, Ready(addresses(count), [], []))) == exact
    query.most = exact - 1
    cut = read_back(message.assembled(query, wire.QR, Ready(addresses(count), [], [])))
    assert cut.flags & dns.flags.TC
    assert not cut.answer


def test_an_opt_record_says_size_version_and_code() -> None:
    opt = message.opt(1232, 0x80, 1, wire.option(wire.NSID, b"me"))
    query = asked()
    query.opt = opt
    answer = read_back(message.bare(query, wire.QR))
    assert (answer.payload, answer.edns, int(answer.rcode())) == (1232, 0, 16)
    assert answer.ednsflags & dns.flags.DO
    assert answer.options[0].to_wire() == b"me"


def test_what_can_not_be_read_is_answered_with_its_header() -> None:
    failed = message.failed(bytes.fromhex("abcd 2910 0001 0000 0000 0000") + b"???", wire.NOTIMP)
    assert failed == bytes.fromhex("abcd a904 0000 0000 0000 0000")


@pytest.mark.parametrize("name", [b"\3web\5mesos\0", b"\4a\0\0b\5mesos\0", b"\0"])
def test_an_answer_cut_short_has_its_whole_question(name: bytes) -> None:
    query = asked(QUESTION[:12] + name + b"\0\1\0\1")
    query.opt = message.opt(1232)
    cut = message.truncated(message.assembled(query, wire.QR | 3, Ready(addresses(5), [], [])))
    assert cut[12:] == query.question
    assert len(cut) <= len(query.data)
    answer = read_back(cut)
    assert answer.flags & dns.flags.TC
    assert (answer.rcode(), answer.question[0].name.to_wire()) == (3, name)


def test_an_error_without_a_question_can_be_cut_short() -> None:
    failed = message.failed(QUESTION, wire.FORMERR)
    assert message.truncated(failed) == failed[:2] + b"\x83\x01" + bytes(8)
