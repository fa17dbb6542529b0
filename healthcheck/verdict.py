"""What a task's state and Mesos's own health result mean for its traffic."""

import enum

from pointsman.discovery.model import Task


class Verdict(enum.Enum):
    """What becomes of the connections to a task."""

    LIVE = "live"
    """New connections may go to it."""
    DRAINING = "draining"
    """It keeps the connections it has and gets no new ones."""
    GONE = "gone"
    """It takes none: it has not started, or it has ended."""


def verdict(task: Task) -> Verdict:
    """Judge a task.

    A task with a health check gets no traffic before its first good result: Mesos says nothing
    until then, and a service that is still starting would answer with errors.
    """
    if task.state == "TASK_KILLING":
        return Verdict.DRAINING
    if task.state != "TASK_RUNNING":
        return Verdict.GONE
    if task.healthy is None:
        return Verdict.DRAINING if task.checked else Verdict.LIVE
    return Verdict.LIVE if task.healthy else Verdict.DRAINING
