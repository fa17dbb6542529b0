import json
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.doubles import PointsmanDouble

STATE = str(Path(__file__).parents[2] / "data/mesos/running-state.json")
EVENTS = [
    {"id": 1, "at": 0.0, "kind": "task", "what": "web.1", "before": "", "after": "live", "why": ""},
    {
        "id": 2, "at": 1.0, "kind": "kernel", "what": "tcp 11.0.0.1:80", "before": "weight 1",
        "after": "weight 0", "why": "web.1 is being killed",
    },
]  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text('[discovery]\nmasters = ["10.0.0.1:5050"]\n')
    return path


def at(config: Path, double: PointsmanDouble) -> str:
    """Return the configuration by which the double is asked."""
    config.write_text(f'{config.read_text()}[http]\nlisten = "{double.address}"\n')
    return str(config)


def test_a_state_that_is_none_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "zone", "--state", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "half").write_bytes(Path(STATE).read_bytes()[:1000])
    assert main(["show", "zone", "--state", str(tmp_path / "half")]) == 1
    assert "can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["zone", "vips", "cluster", "notes", "health"])
def test_views_are_shown(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", what, "--state", STATE]) == 0
    assert capsys.readouterr().out
    assert main(["show", what, "--state", STATE, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m pointsman show zone --state {STATE} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False
    )
    assert done.stderr == b""


def test_the_configuration_is_shown_with_where_it_comes_from(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_DNS__TTL", "9")
    assert main(["show", "config", "--config", str(config)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["discovery.masters", "file", '["10.0.0.1:5050"]'] in lines
    assert ["dns.ttl", "environment", "9"] in lines
    assert ["log.level", "default", '"info"'] in lines
    assert main(["show", "config", "--json", "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(config)
    assert {"key", "value", "from", "variable"} == set(found["keys"][0])


def test_the_example_needs_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "config", "--example"]) == 0
    assert "[discovery]\n" in capsys.readouterr().out


def test_health_is_what_the_one_that_runs_found(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PointsmanDouble({"/v1/health": {"targets": []}}) as double:
        assert main(["show", "health", "--config", at(config, double)]) == 0
    assert capsys.readouterr().out == "nothing\n"


def test_events_are_asked_for_and_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with PointsmanDouble({"/v1/events": {"events": EVENTS, "last": 2}}) as double:
        words = [
            "show",
            "events",
            "--limit",
            "9",
            "--kind",
            "kernel",
            "--config",
            at(config, double),
        ]
        assert main(words) == 0
    assert double.asked == ["/v1/events?limit=9&kind=kernel"]
    first, why = capsys.readouterr().out.splitlines()
    assert first.endswith("  kernel  tcp 11.0.0.1:80: weight 1 -> weight 0")
    assert why == "  because web.1 is being killed"


def test_events_as_json_are_what_was_answered(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"events": EVENTS, "last": 2}
    with PointsmanDouble({"/v1/events": answer}) as double:
        assert main(["show", "events", "--json", "--config", at(config, double)]) == 0
    assert json.loads(capsys.readouterr().out) == answer


def test_events_are_followed_from_the_last_on(config: Path) -> None:
    answer = {"events": EVENTS[:1], "last": 1}
    with PointsmanDouble({"/v1/events": answer}, EVENTS) as double:
        words = ["show", "events", "--follow", "--json", "--config", at(config, double)]
        with subprocess.Popen(
            [sys.executable, "-m", "pointsman", *words], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            lines = [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(2)
            assert process.wait(30) == 0
    assert lines == EVENTS
    assert double.asked[:2] == ["/v1/events?limit=50", "/v1/watch 1"]


def test_nobody_to_ask_for_events(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + '[http]\nlisten = "127.0.0.1:1"\n')
    assert main(["show", "events", "--config", str(config)]) == 1
    assert "is it running?" in capsys.readouterr().err
