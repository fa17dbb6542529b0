"""What is probed, and what came of it, for people and programs."""

from collections.abc import Mapping
from typing import Any

from pointsman.healthcheck.model import Standing, Status, Target, kind
from pointsman.healthcheck.state import FLAPPING, State
from pointsman.healthcheck.verdict import Verdict
from pointsman.pipeline import Views

COLUMNS = ("target", "check", "state", "since", "reason", "tasks")
"""Those for people, where JSON has more than fits."""


def rows(
    views: Views,
    statuses: Mapping[Target, Status],
    states: Mapping[Target, State],
    now: float,
) -> list[dict[str, Any]]:
    """Return each target, sorted; ``now`` is of the clock of what is believed."""
    return [
        _row(views, target, statuses.get(target), states.get(target), now)
        for target in sorted(views.watched, key=lambda t: (t.address, t.port, str(t)))
    ]


def _row(
    views: Views, target: Target, status: Status | None, state: State | None, now: float
) -> dict[str, Any]:
    last = state.last if state else None
    held = max(state.held - now, 0.0) if state else 0.0
    return {
        "target": str(target),
        "address": target.address,
        "port": target.port,
        "check": kind(target.check.probe),
        "via": target.via or None,
        "interval": target.check.timing.interval,
        "state": str(status.standing) if status else None,
        "since": round(now - status.since, 1) if status else None,
        "reason": _reason(status, held),
        "last": {"outcome": str(last.outcome), "reason": last.reason} if last else None,
        "good": state.good if state else 0,
        "bad": state.bad if state else 0,
        "falls": round(state.falls, 1) if state else 0.0,
        "held": round(held, 1),
        "tasks": [id_ for _, id_ in sorted(views.watched[target])],
    }


def _reason(status: Status | None, held: float) -> str:
    """Return why a target is what it is, and whether it is kept so because it fell too often."""
    reason = status.reason if status else ""
    if not held or reason.startswith(FLAPPING):
        return reason
    return f"{reason}; {FLAPPING}, held for {held:.0f} s"


def why(verdict: Verdict, status: Status | None, now: float) -> str:
    """Return why a real server is not live, for people; "" where only Mesos says so."""
    if status is None or status.standing is Standing.UP or not status.reason:
        return ""
    return f"{verdict} {max(now - status.since, 0):.0f} s: {status.reason}"


def text(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns for people."""
    return [{name: row[name] for name in COLUMNS} for row in found]
