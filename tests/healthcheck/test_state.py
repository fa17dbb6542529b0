from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.model import Outcome, Result, Standing, Status, Timing
from pointsman.healthcheck.state import (
    DOWN,
    STABLE,
    State,
    begin,
    delay,
    step,
)

GOOD, BAD, SLOW = Result(Outcome.GOOD), Result(Outcome.BAD, "HTTP 503"), Result(Outcome.SLOW)
REFUSED, UNTRIED = Result(Outcome.REFUSED, "refused"), Result(Outcome.UNTRIED, "no sockets")
TIMING = Timing(interval=5, edge=1, rise=2, fall=3, grace=10)
NOW = 1000.0
UP = Status(Standing.UP, NOW)


def after(
    results: Iterable[Result],
    of: State | None = None,
    timing: Timing = TIMING,
    damping: float = 0,
    start: float = NOW,
) -> State:
    """Return what is believed after results, one each second."""
    state = of or begin(NOW, UP)
    for at, result in enumerate(results, 1):
        state = step(state, result, timing, damping, start + at)
    return state


def test_it_takes_so_many_failures_in_a_row_to_be_down_and_so_many_successes_to_be_up() -> None:
    assert after([BAD, BAD]).status == UP
    assert after([BAD, BAD, GOOD, BAD, BAD]).status == UP
    down = after([BAD, BAD, BAD])
    assert down.status == Status(Standing.SICK, NOW + 3, "HTTP 503")
    assert after([GOOD], down).status.standing == Standing.SICK
    assert after([GOOD, BAD, GOOD], down).status.standing == Standing.SICK
    assert after([GOOD, GOOD], down, start=NOW + 3).status == Status(Standing.UP, NOW + 5, "")


def test_the_first_good_result_of_a_new_target_suffices() -> None:
    assert after([GOOD], begin(NOW)).status.standing == Standing.UP


def test_failures_of_a_new_target_say_nothing_within_its_grace() -> None:
    starting = after([REFUSED] * 9, begin(NOW))
    assert (starting.status, starting.seen) == (Status(), Standing.NEW)
    assert after([GOOD], starting, start=NOW + 9).status.standing == Standing.UP
    assert after([REFUSED], starting, start=NOW + 9).status.standing == Standing.LOST
    # One that was up has no grace, and after the grace it takes the usual number of failures.
    assert after([BAD] * 3).status.standing == Standing.SICK
    late = step(begin(NOW), BAD, TIMING, 0, NOW + 60)
    assert late.status.standing == Standing.NEW


def test_where_nobody_answers_it_is_lost_and_where_somebody_does_it_is_sick() -> None:
    for lost in (Result(Outcome.REFUSED), Result(Outcome.UNREACHABLE)):
        assert after([lost] * 3).status.standing == Standing.LOST
    assert after([SLOW] * 3).status.standing == Standing.SICK
    assert after([REFUSED, SLOW, REFUSED]).status.standing == Standing.SICK


def test_what_was_sick_is_lost_once_nobody_answers_any_more() -> None:
    stopping = after([SLOW, SLOW, REFUSED])
    assert stopping.status.standing == Standing.SICK
    assert after([REFUSED], stopping).status.standing == Standing.SICK
    assert after([REFUSED, REFUSED], stopping).status.standing == Standing.LOST


def test_what_is_lost_is_not_sick_by_a_bad_answer_and_comes_back_by_good_ones() -> None:
    lost = after([REFUSED] * 3)
    assert after([BAD] * 9, lost).status == lost.status
    assert after([BAD, GOOD, GOOD], lost).status.standing == Standing.UP


def test_a_result_that_says_nothing_of_the_target_changes_only_what_was_last_found() -> None:
    before = after([BAD, BAD])
    found = step(before, UNTRIED, TIMING, 60, NOW + 99)
    assert found == msgspec.structs.replace(before, last=UNTRIED)


def test_one_that_cannot_be_asked_is_taken_to_be_up_after_its_grace() -> None:
    state = step(begin(NOW), UNTRIED, TIMING, 60, NOW + TIMING.grace - 1)
    assert state.status.standing is Standing.NEW
    state = step(state, UNTRIED, TIMING, 60, NOW + TIMING.grace)
    assert state.status == Status(Standing.UP, NOW + TIMING.grace, "not probed: no sockets")


def test_what_is_said_of_it_is_believed_until_results_say_otherwise() -> None:
    remembered = begin(NOW, Status(Standing.LOST, NOW, "refused"))
    assert after([GOOD], remembered).status.standing == Standing.LOST
    assert after([GOOD, GOOD], remembered).status.standing == Standing.UP


def test_it_is_asked_again_soon_while_results_speak_against_what_is_believed() -> None:
    assert delay(begin(NOW), TIMING) == 1
    assert delay(begin(NOW, UP), TIMING) == 5
    assert delay(after([BAD]), TIMING) == 1
    assert delay(after([BAD] * 3), TIMING) == 5
    assert delay(after([BAD] * 3 + [GOOD]), TIMING) == 1
    assert delay(after([BAD] * 3 + [GOOD] * 2), TIMING) == 5
    # Of one that is sick it matters, too, that nobody answers there any more.
    assert delay(after([BAD] * 3 + [REFUSED]), TIMING) == 1
    assert delay(after([BAD] * 3 + [REFUSED] * 3), TIMING) == 5


def test_a_refusal_is_confirmed_at_once() -> None:
    assert delay(after([REFUSED]), TIMING) == 0.2
    assert delay(after([REFUSED] * 2), TIMING) == 0.2
    assert delay(after([REFUSED] * 3), TIMING) == 5
    assert delay(after([REFUSED, BAD]), TIMING) == 1


def test_the_short_interval_is_never_longer_than_the_other() -> None:
    assert delay(begin(NOW), Timing(interval=0.5, edge=1)) == 0.5


@pytest.mark.parametrize("result", [GOOD, BAD])
def test_what_stays_as_it_is_is_asked_less_often(result: Result) -> None:
    timing = msgspec.structs.replace(TIMING, stable=30)
    assert delay(after([result] * (STABLE - 1)), timing) == 5
    assert delay(after([result] * STABLE), timing) == 30
    assert delay(after([result] * STABLE), TIMING) == 5


FALL, RISE = [BAD] * 3, [GOOD] * 2


def test_what_falls_twice_within_a_half_life_is_held_and_comes_back_by_itself() -> None:
    timing = msgspec.structs.replace(TIMING, stable=30)
    state = after([*FALL, *RISE], damping=60)
    assert state.status.standing == Standing.UP
    state = after([*FALL, *RISE], state, damping=60, start=NOW + 5)
    assert (state.seen, state.status.standing) == (Standing.UP, Standing.SICK)
    assert NOW + 10 < state.held < NOW + 68
    held = after([GOOD] * 20, state, timing, 60, NOW + 10)
    assert held.status.standing == Standing.SICK
    assert delay(held, timing) == 5  # not the longer one
    assert step(held, GOOD, timing, 60, held.held - 0.1).status is held.status
    back = step(held, GOOD, timing, 60, held.held)
    assert back.status == Status(Standing.UP, held.held, "")


def test_what_falls_seldom_is_not_held() -> None:
    state = after([*FALL, *RISE], damping=60)
    for at in range(1, 9):
        state = after([*FALL, *RISE], state, damping=60, start=NOW + at * 120)
        assert state.status.standing == Standing.UP


def test_while_it_is_held_it_can_be_lost_and_says_why() -> None:
    state = after([*FALL, *RISE] * 2, damping=60)
    assert state.status.reason.startswith("flapping, held for ")
    state = after([REFUSED] * 3, state, damping=60, start=NOW + 10)
    assert state.status == Status(Standing.LOST, NOW + 13, "refused")
    state = after(RISE, state, damping=60, start=NOW + 13)
    assert state.status.standing == Standing.SICK
    assert state.status.reason.startswith("flapping, held for ")


def test_without_damping_nothing_is_held() -> None:
    assert after([*FALL, *RISE] * 9).status.standing == Standing.UP


results = st.sampled_from(list(Outcome)).map(Result)
timings = st.builds(
    Timing, rise=st.integers(1, 4), fall=st.integers(1, 4), grace=st.sampled_from([0.0, 10.0])
)
dampings = st.sampled_from([0.0, 60.0])
beginnings = st.sampled_from(list(Standing)).map(lambda s: begin(NOW, Status(s, NOW)))


@given(st.lists(results, max_size=60), timings, dampings, beginnings)
def test_it_never_falls_by_fewer_failures_in_a_row_than_it_takes(
    found: list[Result], timing: Timing, damping: float, state: State
) -> None:
    row = 0
    for at, result in enumerate(found):
        before, state = state, step(state, result, timing, damping, NOW + at)
        if result.outcome is Outcome.UNTRIED:
            if state.seen is not before.seen:
                assert (before.seen, state.seen) == (Standing.NEW, Standing.UP)
                assert at >= timing.grace
            continue
        row = 0 if result.outcome is Outcome.GOOD else row + 1
        if before.status.standing is Standing.UP and state.status.standing in DOWN:
            assert row >= timing.fall
        assert state.status.standing is not Standing.NEW or before.seen is Standing.NEW


@given(st.integers(1, 30), timings, dampings, st.booleans())
def test_one_that_only_gives_good_results_is_up(
    count: int, timing: Timing, damping: float, known: bool
) -> None:
    first = begin(NOW, UP if known else Status())
    assert after([GOOD] * count, first, timing, damping).status.standing is Standing.UP


@given(
    st.floats(0.1, 0.9), st.floats(0, 6), st.floats(0.2, 5), st.integers(1, 3), st.integers(1, 3)
)
def test_flapping_ten_times_a_minute_changes_it_at_most_four_times_in_any(
    share: float, phase: float, interval: float, rise: int, fall: int
) -> None:
    timing = Timing(interval=interval, edge=0.5, rise=rise, fall=fall)
    state, now, changes = begin(NOW, UP), NOW + phase, list[float]()
    while now < NOW + 180:
        result = GOOD if now % 6 < share * 6 else BAD
        before, state = state, step(state, result, timing, 60, now)
        if state.status.standing is not before.status.standing:
            changes.append(now)
        now += delay(state, timing)
    for first in changes:
        assert sum(first <= at < first + 60 for at in changes) <= 4


@given(st.lists(results, max_size=40), st.integers(1, 3))
def test_whatever_was_good_results_that_go_on_bring_it_back(found: list[Result], rise: int) -> None:
    timing = Timing(rise=rise, fall=2, grace=0)
    state = after(found, timing=timing, damping=60)
    now = NOW + len(found)
    for _ in range(rise):
        state = step(state, GOOD, timing, 60, now)
    state = step(state, GOOD, timing, 60, max(state.held, now))
    assert state.status.standing is Standing.UP
