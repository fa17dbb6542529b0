from pathlib import Path

from immutables import Map
from prometheus_client import CollectorRegistry, generate_latest

from pointsman.checking import Checking
from pointsman.health_metrics import HealthCollector
from pointsman.healthcheck.model import Check, Health, Outcome, Standing, Status, Target, Tcp


def told(checking: Checking) -> list[str]:
    registry = CollectorRegistry()
    registry.register(HealthCollector(checking))
    return generate_latest(registry).decode().splitlines()


def test_every_state_is_told_even_when_no_target_has_it(tmp_path: Path) -> None:
    checking = Checking(tmp_path / "health", lambda: None)
    one, two = (Target("10.0.0.1", number, Check(Tcp())) for number in (1, 2))
    checking.health = Health(Map({one: Status(Standing.UP), two: Status(Standing.UP)}))
    found = told(checking)
    assert 'pointsman_health_targets{state="up"} 2.0' in found
    assert 'pointsman_health_targets{state="lost"} 0.0' in found


def test_probes_are_told_by_what_they_found_and_how_long_they_took(tmp_path: Path) -> None:
    checking = Checking(tmp_path / "health", lambda: None)
    checking.counts.probed("tcp", Outcome.GOOD, 0.003)
    checking.counts.probed("tcp", Outcome.REFUSED, 0.3)
    checking.counts.late(0.0005)
    checking.counts.running = 7
    found = told(checking)
    assert 'pointsman_health_probes_total{kind="tcp",outcome="good"} 1.0' in found
    assert 'pointsman_health_probes_total{kind="tcp",outcome="refused"} 1.0' in found
    assert 'pointsman_health_probe_seconds_bucket{kind="tcp",le="0.005"} 1.0' in found
    assert 'pointsman_health_probe_seconds_count{kind="tcp"} 2.0' in found
    assert 'pointsman_health_late_seconds_bucket{le="0.001"} 1.0' in found
    assert "pointsman_health_running 7.0" in found
