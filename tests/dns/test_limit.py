"""Rate limits, on a clock of our own."""

import socket
from contextlib import ExitStack, suppress

import dns.edns
import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointlab.servers.paths import PATIENCE, Loop
from pointsman.dns import limit, wire
from pointsman.dns.answer import Responder
from pointsman.dns.cookies import Cookies
from pointsman.dns.counts import Counts
from pointsman.dns.limit import DROP, SEND, SLIP, Limiter, Networks, RateLimit, kind, network_of
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING, Teacher
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Soa, Zone, Zones

OUTSIDE = "203.0.113.9"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(name: str = "web.mesos.", code: int = 0, records: int = 1) -> bytes:
    question = dns.message.make_query(name, "A").to_wire()[12:]
    return bytes([0, 7, 0x84, code, 0, 1, 0, records, 0, 0, 0, 0]) + question


def limiter(**settings: int) -> tuple[Limiter, Clock]:
    clock = Clock()
    return Limiter(RateLimit(**settings), clock), clock  # type: ignore[arg-type]


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), max_size=200))
def test_no_network_is_sent_more_than_its_rate(rate: int, pauses: list[float]) -> None:
    found, clock = limiter(per_second=rate, slip=0)
    sent = []
    for pause in pauses:
        clock.now += pause
        if found.verdict(OUTSIDE, answer()) is SEND:
            sent.append(clock.now)
    for at, start in enumerate(sent):
        within = sum(start <= time < start + 1 for time in sent[at:])
        assert within <= 2 * rate  # what may come at once, and what is added meanwhile


def test_who_stays_below_the_rate_is_never_limited() -> None:
    found, clock = limiter(per_second=10)
    for _ in range(1000):
        clock.now += 0.1
        assert found.verdict(OUTSIDE, answer()) is SEND


def test_of_what_is_over_the_limit_one_in_some_is_sent_truncated() -> None:
    for slip, wanted in ((0, 0), (1, 90), (2, 45), (10, 9)):
        found, _ = limiter(per_second=10, slip=slip)
        verdicts = [found.verdict(OUTSIDE, answer()) for _ in range(100)]
        assert verdicts[:10] == [SEND] * 10
        assert verdicts.count(SLIP) == wanted
        assert verdicts.count(DROP) == 90 - wanted


def test_each_network_and_each_kind_of_answer_has_its_own_limit() -> None:
    found, _ = limiter(per_second=1, slip=0)
    for host in (OUTSIDE, "203.0.114.9", "2001:db8::1", "2001:db8:0:100::1"):
        for one in (
            answer(),
            answer("x.mesos."),
            answer(code=3),
            answer(code=5),
            answer(records=0),
        ):
            assert found.verdict(host, one) is SEND
            assert found.verdict(host, one) is DROP
    assert found.verdict("203.0.113.200", answer()) is DROP
    assert found.verdict("2001:db8:0:ff::9", answer()) is DROP


def test_all_kinds_together_have_a_limit() -> None:
    found, _ = limiter(per_second=5, all_per_second=20, slip=0)
    verdicts = [found.verdict(OUTSIDE, answer(f"x{n}.mesos.")) for n in range(100)]
    assert verdicts.count(SEND) == 20


def test_nothing_grows_without_end() -> None:
    found, _ = limiter(per_second=5)
    for number in range(limit.MOST_TRACKED + 500):
        found.verdict(f"198.{number >> 16}.{number >> 8 & 255}.1", answer(f"x{number}.mesos."))
    assert len(found._spent) <= limit.MOST_TRACKED
    inside = Networks(("10.0.0.0/8",))
    for number in range(limit.MOST_HOSTS + 500):
        assert f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" in inside
    assert len(inside._known) <= limit.MOST_HOSTS


def test_networks() -> None:
    assert network_of("203.0.113.9") == network_of("203.0.113.200") == "203.0.113"
    assert network_of("::ffff:203.0.113.9") == "203.0.113"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    found = Networks(limit.INSIDE)
    for host in ("127.0.0.1", "10.1.2.3", "172.31.0.1", "100.64.0.1", "::1", "fd00::1",
                 "fe80::1%eth0", "::ffff:10.0.0.1"):  # fmt: skip
        assert host in found
    for host in (OUTSIDE, "172.32.0.1", "2001:db8::1", "::ffff:203.0.113.9"):
        assert host not in found
    with pytest.raises(ValueError, match="has host bits set"):
        Networks(("10.0.0.1/8",))


def test_kinds() -> None:
    assert kind(answer("WEB.mesos.")) == kind(answer("web.mesos."))
    assert kind(answer("a.mesos.")) != kind(answer("b.mesos."))
    assert kind(answer("a.mesos.", 3, 0)) == kind(answer("b.mesos.", 3, 0)) == "NXDOMAIN"
    assert kind(answer(records=0)) == "NODATA"
    assert kind(answer(code=1)) == kind(answer(code=2)) == "error"


# Shared between native threads and Python (`limit.split`).


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_both_shares_together_are_the_limits(of_a_kind: int, of_all: int) -> None:
    given = RateLimit(per_second=of_a_kind, all_per_second=of_all)
    share, rest = limit.split(given)
    if not given.limits:
        assert (share, rest) == (-1, given)
        return
    for whole, other in ((of_a_kind, rest.per_second), (of_all, rest.all_per_second)):
        assert share + other == whole if whole else other == 0
        assert bool(whole) == bool(other)  # 0 would be no limit at all
    assert rest.exempt == given.exempt


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(0, 60),
    st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 3)), max_size=150),
)
def test_both_who_answer_never_send_more_than_the_limits(
    of_a_kind: int, of_all: int, asked: list[tuple[float, int]]
) -> None:
    share, rest = limit.split(RateLimit(per_second=of_a_kind, all_per_second=of_all, slip=0))
    clock = Clock()
    native = Limiter(RateLimit(per_second=0, all_per_second=share, slip=0), clock)
    python = Limiter(rest, clock)
    sent: list[tuple[float, int]] = []
    for pause, number in asked:
        clock.now += pause
        one = answer(f"x{number}.mesos.")
        # Native code counts all kinds together, and leaves to Python what is over its share.
        if (share and native.verdict(OUTSIDE, one) is SEND) or python.verdict(OUTSIDE, one) is SEND:
            sent.append((clock.now, number))
    for at, (start, _) in enumerate(sent):
        within = [number for time, number in sent[at:] if time < start + 1]
        assert all(within.count(number) <= 2 * of_a_kind for number in range(4))
        assert not of_all or len(within) <= 2 * of_all


# Through the whole responder.


def served(**settings: int) -> tuple[Responder, Clock]:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", f"10.0.0.{n}", 60) for n in range(20)])
    zone.loaded = True
    found, clock = limiter(**settings)
    return Responder(Zones(zone), cookies=Cookies(b"secret", clock), limiter=found), clock


@pytest.mark.parametrize("name", ["web.mesos.", "nope.mesos.", "example.com."])
def test_what_goes_to_a_forged_sender_is_never_longer_than_its_query(name: str) -> None:
    responder, _ = served(per_second=3, slip=2)
    for options in ({}, {"use_edns": 0, "payload": 4096}):
        query = dns.message.make_query(name, "A", **options).to_wire()  # type: ignore[arg-type]
        answers = [responder.udp(query, OUTSIDE) for _ in range(50)]
        over = [one for one in answers[3:] if one is not None]
        assert 20 <= len(over) <= 27
        for one in over:
            assert isinstance(one, bytes)
            assert len(one) <= len(query)
            assert one[2] & 0x02
            assert dns.message.from_wire(one).question
    assert responder.counts.dropped["slipped"] + responder.counts.dropped["rate_limited"] >= 90


def test_who_is_inside_or_comes_by_tcp_or_shows_a_cookie_has_no_limit() -> None:
    responder, _ = served(per_second=3, slip=0)
    query = dns.message.make_query("web.mesos.", "A").to_wire()
    for _ in range(50):
        assert responder.udp(query, "10.0.0.1")
        assert responder.tcp(query, OUTSIDE)
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    first = responder.udp(
        dns.message.make_query("web.mesos.", "A", use_edns=0, options=[cookie]).to_wire(), OUTSIDE
    )
    assert isinstance(first, bytes)
    (given,) = dns.message.from_wire(first).options
    shown = dns.message.make_query("web.mesos.", "A", use_edns=0, options=[given]).to_wire()
    for _ in range(50):
        assert responder.udp(shown, OUTSIDE)
        responder.udp(query, OUTSIDE)
    assert responder.udp(query, OUTSIDE) is None
    assert responder.udp(shown, "203.0.113.10") is None  # it was made for another address


@pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")
@pytest.mark.parametrize("threads", [1, 2])
def test_native_threads_and_python_together_keep_to_the_limits(threads: int) -> None:
    share, rest = limit.split(RateLimit(per_second=21, slip=0, exempt=("127.0.0.0/24",)))
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", "10.0.0.1", 60)])
    zone.loaded = True
    zones, counts = Zones(zone), Counts()
    teacher = Teacher(zones, counts, wire.QR | wire.AA, 1232, rest.exempt, share)
    responder = Responder(zones, counts, limiter=Limiter(rest, Clock()), teacher=teacher)
    query = dns.message.make_query("web.mesos.", "A", id=7).to_wire()
    assert responder.udp(query, "127.0.0.9")
    with Loop() as loop, ExitStack() as stack:
        listener = UdpListener("127.0.0.1", 0, responder.udp, counts)
        loop.call(listener.start)
        stack.callback(loop.call, listener.close)
        loop.call(listener.serve, teacher.table, threads)
        outside, inside = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        for one, host in ((outside, "127.0.1.9"), (inside, "127.0.0.9")):
            one.bind((host, 0))
            one.connect(listener.address)
            one.settimeout(PATIENCE)
        for _ in range(200):
            outside.send(query)
            inside.send(query)
            assert inside.recv(512)
        loop.call(listener.serve, None)  # what was passed up is answered before
        outside.setblocking(False)
        answered = 0
        with suppress(BlockingIOError):
            while outside.recv(512):
                answered += 1
        # Python's clock stands still; a thread's goes on.
        assert 21 <= answered <= 2 * 21
        assert counts.dropped["rate_limited"] == 200 - answered
