"""What is remembered of answers, and what ends it."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns import message, table, wire
from pointsman.dns.message import Parts, Ready
from pointsman.dns.table import Table

KEY = wire.name("web.mesos.") + b"\0\1\0\1"
HEADER = bytes.fromhex("0007 0100 0001 0000 0000 0000")
ADDRESS = wire.record(wire.pointer(12), "A", 60, b"\n\0\0\1")


def known() -> tuple[Table, Ready]:
    found, ready = Table(), Ready([ADDRESS], [], [])
    found.keep(KEY, "web.mesos.", ready)
    return found, ready


def learn(found: Table, ready: Ready, data: bytes, *, tcp: bool = False) -> bool:
    parts = Parts(data[12 : 12 + len(KEY)], wire.QR, ready, b"", 512)
    return found.learn(data, 12 + len(KEY), parts, tcp=tcp) is not None


def test_what_is_learnt_is_an_answer_without_its_id() -> None:
    found, ready = known()
    assert learn(found, ready, HEADER + KEY)
    bodies, cell = found.udp[(HEADER + KEY)[2:]]
    assert b"\0\7" + next(bodies) == HEADER[:2] + b"\x80\0\0\1\0\1\0\0\0\0" + KEY + ADDRESS
    assert cell is ready.cells[0]
    assert not found.tcp
    assert learn(found, ready, HEADER + KEY, tcp=True)
    assert found.tcp[(HEADER + KEY)[2:]][1] is ready.cells[1]


def test_another_case_is_answered_with_the_question_as_it_was_sent() -> None:
    found, ready = known()
    mixed = HEADER + KEY.replace(b"web", b"WeB")
    assert not learn(found, ready, mixed)
    assert found.other_case(mixed, tcp=False) is None
    learn(found, ready, HEADER + KEY)
    answer = found.other_case(mixed, tcp=False)
    assert answer == HEADER[:2] + b"\x80\0\0\1\0\1\0\0\0\0" + mixed[12:] + ADDRESS
    assert ready.cells[0] == [1]


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_only_the_question_may_be_in_another_case(size: int, other: int) -> None:
    # 0x0241 octets of a client are not 0x0261 of another.
    found, ready = known()

    def query(octets: int) -> bytes:
        return HEADER[:11] + b"\1" + KEY + b"\0\0\x29" + octets.to_bytes(2) + bytes(6)

    if learn(found, ready, query(size)) and other != size:
        assert found.other_case(query(other), tcp=False) is None


def test_a_name_that_changed_is_forgotten_in_all_ways_it_was_asked_for() -> None:
    found, ready = known()
    for tcp in (False, True):
        learn(found, ready, HEADER + KEY, tcp=tcp)
    found.invalidate(["other.mesos."])
    assert found.ready(KEY) is ready
    found.invalidate(["web.mesos."])
    assert not found


def test_an_answer_is_forgotten_with_the_names_it_carries_addresses_of() -> None:
    found = Table()
    ready = Ready([ADDRESS], [], [ADDRESS], ("web-1.mesos.",))
    found.keep(KEY, "web.mesos.", ready)
    learn(found, ready, HEADER + KEY)
    found.invalidate(["web-1.mesos."])
    assert not found
    assert not found._dependents


def test_every_change_ends_what_was_not_there() -> None:
    found, ready = Table(), Ready([], [ADDRESS], [])
    found.keep(KEY, "web.mesos.", ready)
    learn(found, ready, HEADER + KEY)
    found.invalidate([])
    assert not found


def test_there_is_an_end_to_what_is_learnt() -> None:
    found, ready = known()
    for flags in range(table.MOST_WAYS):
        assert learn(found, ready, HEADER[:3] + bytes([flags]) + HEADER[4:] + KEY)
    assert not learn(found, ready, HEADER[:3] + b"\x20" + HEADER[4:] + KEY)
    large = Ready([ADDRESS] * 300, [], [])
    parts = Parts(KEY, wire.QR, large, b"", 65_535)
    assert found.learn(HEADER + KEY, 12 + len(KEY), parts, tcp=True) is None
    assert len(message.body(parts)) > table.MOST_KEPT
    many = Table()
    many.udp = {number.to_bytes(4): (iter(()), [0]) for number in range(table.MOST_LEARNT)}
    assert not learn(many, ready, HEADER + KEY)
