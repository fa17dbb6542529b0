from hypothesis import given
from hypothesis import strategies as st

from pointlab.judge.tally import Event, Row, tally
from pointlab.watch.recording import Request

KILLED = Event("killed", at=10.0, dns=10.3, kernel=10.2, breaks=True)
RUNS = Event("runs", at=12.0, dns=13.1, kernel=13.0)


def failed(start: float, end: float) -> Request:
    return Request(start, end, "", "refused")


def good(start: float, end: float) -> Request:
    return Request(start, end, "web.1")


def late(*requests: Request) -> int:
    return sum(row.late for row in tally(requests, (KILLED, RUNS)))


def test_each_request_is_counted_with_the_event_before_its_end() -> None:
    requests = [good(1, 2), good(9.9, 10.1), failed(10.05, 10.1), good(12.5, 12.6)]

    assert tally(requests, (KILLED, RUNS)) == (
        Row(None, 1, 0, 0),
        Row(KILLED, 2, 1, 0),
        Row(RUNS, 1, 0, 0),
    )


def test_failure_in_flight_when_something_broke_is_excused() -> None:
    assert late(failed(9.9, 10.1)) == 0


def test_failure_that_started_before_the_kernel_followed_is_excused() -> None:
    assert late(failed(10.1, 11.5)) == 0


def test_failure_that_started_after_the_kernel_followed_is_late() -> None:
    assert late(failed(10.3, 10.4)) == 1


def test_failure_before_anything_broke_is_late() -> None:
    assert late(failed(5.0, 5.1)) == 1


def test_a_new_instance_excuses_nothing() -> None:
    assert late(failed(12.1, 12.2)) == 1


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3), st.booleans())))
def test_no_request_is_lost_or_counted_twice(drawn: list[tuple[float, float, bool]]) -> None:
    requests = [Request(s, s + lasts, "", "refused" if bad else "") for s, lasts, bad in drawn]

    rows = tally(requests, (KILLED, RUNS))

    assert sum(row.sent for row in rows) == len(requests)
    assert sum(row.failed for row in rows) == sum(bad for _, _, bad in drawn)
