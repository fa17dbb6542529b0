"""What a task's state and Mesos's own health result mean for its traffic."""

import enum

from pointsman.discovery.model import Task


class Verdict(enum.StrEnum):
    """What becomes of the connections to a task."""

    LIVE = "live"
    """New connections may go to it."""
    UNHEALTHY = "unhealthy"
    """It runs, and its health check fails: it keeps the connections it has."""
    KILLING = "killing"
    """It is being ended, and may still finish what it has begun."""
    STARTING = "starting"
    """It runs, and its health check has had no result yet."""
    GONE = "gone"
    """It takes none: it has not started, or it has ended."""


def verdict(task: Task) -> Verdict:
    """Judge a task.

    A task with a health check gets no traffic before its first good result: Mesos says nothing
    until then, and a service that is still starting would answer with errors.
    """
    if task.state == "TASK_KILLING":
        return Verdict.KILLING
    if task.state != "TASK_RUNNING":
        return Verdict.GONE
    if task.healthy is None:
        return Verdict.STARTING if task.checked else Verdict.LIVE
    return Verdict.LIVE if task.healthy else Verdict.UNHEALTHY
