from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import pytest

from pointsman.discovery.model import Task
from pointsman.dns.records import NameRules, task_records
from pointsman.healthcheck.model import Standing
from pointsman.healthcheck.verdict import Verdict, verdict, worst
from pointsman.testing import task


@pytest.mark.parametrize(
    ("state", "checked", "healthy", "expected"),
    [
        ("TASK_RUNNING", False, None, Verdict.LIVE),
        ("TASK_RUNNING", False, True, Verdict.LIVE),
        ("TASK_RUNNING", False, False, Verdict.UNHEALTHY),
        # No traffic before the first good result (DCOS_OSS-1954).
        ("TASK_RUNNING", True, None, Verdict.STARTING),
        ("TASK_RUNNING", True, True, Verdict.LIVE),
        ("TASK_RUNNING", True, False, Verdict.UNHEALTHY),
        # Connections outlive the order to end (D2IQ-61077).
        ("TASK_KILLING", True, True, Verdict.KILLING),
        ("TASK_KILLING", False, None, Verdict.KILLING),
        ("TASK_STAGING", False, None, Verdict.GONE),
        ("TASK_STARTING", False, None, Verdict.GONE),
        ("TASK_FAILED", False, True, Verdict.GONE),
        ("TASK_LOST", False, None, Verdict.GONE),
        ("TASK_UNREACHABLE", False, True, Verdict.GONE),
    ],
)
def test_state_and_health_decide(
    state: str, checked: bool, healthy: bool | None, expected: Verdict
) -> None:
    assert verdict(task(state=state, checked=checked, healthy=healthy)) is expected


RULE = (Path(__file__).parents[2] / "docs/health.md").read_text()
MESOS = {
    "no check": {"checked": False},
    "no result yet": {"checked": True},
    "healthy": {"checked": True, "healthy": True},
    "unhealthy": {"checked": True, "healthy": False},
}
PROBE = {"not probed": None} | {str(standing): standing for standing in Standing}
STATES = {"running": "TASK_RUNNING", "killing": "TASK_KILLING", "other": "TASK_STAGING"}
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in RULE.partition("\n## One rule\n")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| state ")
]


def combinations(row: Sequence[str]) -> list[tuple[Task, Standing | None]]:
    """Return all that a row speaks of."""
    state, mesos, probe = row[:3]
    checks = MESOS.values() if mesos == "any" else [MESOS[mesos]]
    standings = PROBE.values() if probe == "any" else [PROBE[probe]]
    states = [STATES[state]]
    if state == "other":
        states += ["TASK_STARTING", "TASK_FAILED", "TASK_LOST", "TASK_UNREACHABLE", "TASK_FINISHED"]
    found = product(states, checks, standings)
    return [(task(state=s, **check), standing) for s, check, standing in found]  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids="/".join)
def test_the_documented_rule_is_the_one(row: tuple[str, ...]) -> None:
    for one, standing in combinations(row):
        assert verdict(one, standing) == row[3]


def test_the_documented_rule_has_each_combination_once() -> None:
    running = [tuple(row[:3]) for row in ROWS if row[0] == "running"]
    assert sorted(running) == sorted(product(["running"], MESOS, PROBE))
    others = [tuple(row[:3]) for row in ROWS if row[0] != "running"]
    assert others == [("killing", "any", "any"), ("other", "any", "any")]


@pytest.mark.parametrize("row", ROWS, ids="/".join)
def test_what_a_verdict_means_for_dns_is_as_documented(row: tuple[str, ...]) -> None:
    for one, standing in combinations(row):
        records, _ = task_records(one, NameRules(), verdict(one, standing))
        expected = {"answered": {True}, "if none is live": {False}, "left out": set()}[row[6]]
        assert {record.preferred for record in records} == expected


def test_of_several_ports_the_worst_counts_for_the_name() -> None:
    order = [Verdict.LIVE, Verdict.STARTING, Verdict.UNHEALTHY, Verdict.LOST]
    for better, worse in pairwise(order):
        assert worst([better, worse, better]) is worse
    assert worst([]) is Verdict.LIVE
