"""What a task's state, Mesos's own health result and our probe mean together for its traffic.

The one rule, of which docs/health.md has all combinations: a task that is not running, or is being
killed, is what its state says. Of one that runs, the worst counts that the two checks say; a check
that has had no result yet counts only where the other says nothing.
"""

import enum
from collections.abc import Iterable

from pointsman.discovery.model import Task
from pointsman.healthcheck.model import Standing


class Verdict(enum.StrEnum):
    """What becomes of the connections to a task."""

    LIVE = "live"
    """New connections may go to it."""
    UNHEALTHY = "unhealthy"
    """It runs, and a check of it fails: it keeps the connections it has."""
    LOST = "lost"
    """It is said to run, and nobody answers there: its connections are of no more use."""
    KILLING = "killing"
    """It is being ended, and may still finish what it has begun."""
    STARTING = "starting"
    """It runs, and its checks have had no result yet."""
    GONE = "gone"
    """It takes none: it has not started, or it has ended."""


_OF_STANDING = {
    Standing.NEW: Verdict.STARTING,
    Standing.UP: Verdict.LIVE,
    Standing.SICK: Verdict.UNHEALTHY,
    Standing.LOST: Verdict.LOST,
}
_WORST = (Verdict.LOST, Verdict.UNHEALTHY, Verdict.LIVE, Verdict.STARTING)
"""Which of two counts: a check without a result is the last to be heard."""
_ORDER = (
    Verdict.GONE, Verdict.KILLING, Verdict.LOST, Verdict.UNHEALTHY, Verdict.STARTING, Verdict.LIVE,
)  # fmt: skip


def verdict(task: Task, standing: Standing | None = None) -> Verdict:
    """Judge a task; ``standing`` is what our probe says, None where it isn't probed.

    A task with a check gets no traffic before its first good result: a service that is still
    starting would answer with errors.
    """
    if task.state == "TASK_KILLING":
        return Verdict.KILLING
    if task.state != "TASK_RUNNING":
        return Verdict.GONE
    said = {_mesos(task), _OF_STANDING[standing] if standing else None} - {None}
    return next((one for one in _WORST if one in said), Verdict.LIVE)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return which verdict on a task counts for its name, of those on its ports.

    One port without a result makes the task one that starts.
    """
    return min(verdicts, key=_ORDER.index, default=Verdict.LIVE)


def _mesos(task: Task) -> Verdict | None:
    if task.healthy is None:
        return Verdict.STARTING if task.checked else None
    return Verdict.LIVE if task.healthy else Verdict.UNHEALTHY
