import pytest

from pointsman.healthcheck.verdict import Verdict, verdict
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
