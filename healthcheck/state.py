"""From one result to what is believed of a target: rise and fall, grace, and damping.

Two layers. What the results say by themselves (``seen``) follows rise, fall and grace. Over it,
damping: each fall adds one to ``falls``, which halves every ``damping`` seconds; a target that fell
too often stays down, good results or not, until that has become small (as routers damp routes,
RFC 2439).
"""

import math

import msgspec

from pointsman.healthcheck.model import Outcome, Result, Standing, Status, Timing

STABLE = 10
"""Equal results in a row after which the interval may be the longer one."""

MOST_FALLS, SUPPRESS, REUSE = 6.0, 1.5, 1.0
"""At most so many falls are counted; with more than the second it is held, down to the third.

With these, the second fall within ``damping`` seconds of the first is the one that holds it.
"""

AT_ONCE = 5
"""By so many is the interval divided until a refusal is confirmed."""

FLAPPING = "flapping"
"""The reason of one that is held begins so."""

DOWN = (Standing.SICK, Standing.LOST)


class State(msgspec.Struct, frozen=True, gc=False):
    """What is believed of a target, and what of its past still counts."""

    status: Status = Status()
    seen: Standing = Standing.NEW
    """What the results say, without damping."""
    good: int = 0
    """Good results in a row."""
    bad: int = 0
    """Others in a row."""
    lost: int = 0
    """Of those, how many of the last say that nobody answers."""
    first: float = 0.0
    """When it was first seen."""
    falls: float = 0.0
    """How often it fell, as of ``fallen``."""
    fallen: float = 0.0
    held: float = 0.0
    """Until when it stays down because it fell too often."""
    last: Result | None = None


_NEW = Status()


def begin(now: float, status: Status = _NEW) -> State:
    """Return the state of a target that is first seen now, of which this is believed."""
    return State(status, seen=status.standing, first=now)


def step(state: State, result: Result, timing: Timing, damping: float, now: float) -> State:
    """Return what is believed after a result; ``damping`` is the half-life of falls, 0 for none.

    A result that says nothing of the target changes nothing but what was last found; one that
    can't be asked at all is taken to be up after its grace, as if nobody had asked for a check.
    """
    if result.outcome is Outcome.UNTRIED:
        if state.seen is not Standing.NEW or now - state.first < timing.grace:
            return msgspec.structs.replace(state, last=result)
        status = Status(Standing.UP, now, f"not probed: {result.reason}")
        return msgspec.structs.replace(state, status=status, seen=Standing.UP, last=result)
    good = state.good + 1 if result.outcome is Outcome.GOOD else 0
    bad = state.bad + 1 if not good else 0
    lost = state.lost + 1 if result.outcome.lost else 0
    seen = _seen(state, good, bad, lost, timing, now)
    falls, fallen, held = state.falls, state.fallen, state.held
    if damping and state.seen is Standing.UP and seen in DOWN:
        falls = min(falls * 0.5 ** ((now - fallen) / damping) + 1, MOST_FALLS)
        fallen = now
        if falls > SUPPRESS or now < held:
            held = max(held, now + damping * math.log2(max(falls / REUSE, 1.0)))
    return State(
        _status(state.status, seen, result, held, now),
        seen, good, bad, lost, state.first, falls, fallen, held, result,
    )  # fmt: skip


def delay(state: State, timing: Timing) -> float:
    """Return the seconds from a probe to the next.

    Short while the results speak against what is believed, or nothing is known yet. A target that
    is held comes back with a good result: it isn't left alone for long.
    """
    contradicted = state.bad if state.seen is Standing.UP else state.good
    if contradicted and state.last and state.last.outcome is Outcome.REFUSED:
        # It costs nobody anything, and clients are refused meanwhile.
        return min(timing.edge, timing.interval) / AT_ONCE
    if state.seen is Standing.SICK:
        contradicted = contradicted or state.lost
    if contradicted or state.seen is Standing.NEW:
        return min(timing.edge, timing.interval)
    held = state.status.standing is not state.seen
    if timing.stable and not held and max(state.good, state.bad) >= STABLE:
        return timing.stable
    return timing.interval


def _seen(state: State, good: int, bad: int, lost: int, timing: Timing, now: float) -> Standing:
    """Return what the results say.

    The first good result suffices for a target of which nothing was known. One that was refused
    all the while is lost; one that also answered something may still answer on connections it has.
    """
    before = state.seen
    if good:
        risen = before is Standing.NEW or good >= timing.rise
        return Standing.UP if risen else before
    if before is Standing.NEW and now - state.first < timing.grace:
        return before
    if lost >= timing.fall:
        return Standing.LOST
    if bad >= timing.fall and before is not Standing.LOST:
        return Standing.SICK
    return before


def _status(before: Status, seen: Standing, result: Result, held: float, now: float) -> Status:
    standing, reason = seen, result.reason
    if seen is Standing.UP and now < held:
        standing, reason = Standing.SICK, f"{FLAPPING}, held for {held - now:.0f} s"
    if standing is not before.standing:
        return Status(standing, now, reason)
    if standing is not seen and not before.reason.startswith(FLAPPING):
        return Status(standing, before.since, reason)
    return before
