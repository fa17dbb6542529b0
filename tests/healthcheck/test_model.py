"""The values of health checks: their names, and that they can be kept as JSON."""

import msgspec
import pytest

from pointsman.healthcheck.model import (
    Check,
    Dns,
    Exec,
    Failed,
    Grpc,
    Http,
    Outcome,
    Place,
    Probe,
    Result,
    Target,
    Tcp,
    Tls,
    Udp,
    kind,
)

PROBES: list[tuple[Probe, str]] = [
    (Tcp(), "tcp"),
    (Http(), "http"),
    (Http(tls=Tls()), "https"),
    (Grpc(), "grpc"),
    (Grpc(tls=Tls()), "grpc"),
    (Dns(), "dns"),
    (Udp(), "udp"),
    (Exec("disk", ("check_disk", "{address}")), "exec"),
]


@pytest.mark.parametrize(("probe", "name"), PROBES)
def test_a_probe_has_a_name(probe: Probe, name: str) -> None:
    assert kind(probe) == name
    assert str(Target("10.0.0.1", 80, Check(probe))) == f"{name} 10.0.0.1:80"


@pytest.mark.parametrize(("probe", "_"), PROBES)
def test_a_probe_outlives_json(probe: Probe, _: str) -> None:
    data = msgspec.json.encode(probe)
    assert msgspec.json.decode(data, type=Probe) == probe


def test_equal_targets_are_one() -> None:
    targets = {
        Target("10.0.0.1", 80, Check(Http(headers=(("X", "y"),), tls=Tls()))) for _ in range(2)
    }
    assert len(targets) == 1
    assert Target("10.0.0.1", 80, Check(Tcp())) not in targets


@pytest.mark.parametrize(
    ("outcome", "lost"),
    [
        (Outcome.GOOD, False),
        (Outcome.REFUSED, True),
        (Outcome.UNREACHABLE, True),
        (Outcome.SLOW, False),
        (Outcome.BAD, False),
        (Outcome.UNTRIED, False),
    ],
)
def test_connections_are_lost_where_nobody_answers(outcome: Outcome, lost: bool) -> None:
    assert outcome.lost is lost


def test_a_failure_has_its_result() -> None:
    failed = Failed(Outcome.SLOW, "no answer within 2 s")
    assert failed.result == Result(Outcome.SLOW, "no answer within 2 s")
    assert str(failed) == "no answer within 2 s"


def test_a_place_of_ipv6_is_written_in_brackets() -> None:
    assert str(Place("fd00::1", 80, 1.0)) == "[fd00::1]:80"
    assert str(Place("10.0.0.1", 80, 1.0)) == "10.0.0.1:80"
