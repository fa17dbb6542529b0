import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.doubles import PointsmanDouble

STATUS = {
    "ready": True, "not_ready": "", "mode": "stream", "settings": {}, "complaints": [],
    "virtual_servers": [],
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "p.toml"


def at(config: Path, address: str) -> str:
    config.write_text(f"""
        discovery = {{ masters = ["10.0.0.1:5050"] }}
        http = {{ listen = "{address}" }}
    """)
    return str(config)


def test_it_is_printed_for_people_and_for_programs(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PointsmanDouble({"/v1/status": STATUS}) as double:
        assert main(["status", "--config", at(config, double.address)]) == 0
        assert capsys.readouterr().out.startswith("ready; stream\n")
        assert main(["status", "--json", "--config", str(config)]) == 0
        assert json.loads(capsys.readouterr().out) == STATUS


def test_nobody_to_ask(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", at(config, "127.0.0.1:1")]) == 1
    assert "is it running?" in capsys.readouterr().err


@pytest.mark.parametrize(("more", "lines"), [(["--json"], 2), ([], 8)])
def test_watching_goes_on_until_interrupted(config: Path, more: list[str], lines: int) -> None:
    with PointsmanDouble({"/v1/status": STATUS}) as double:
        words = ["status", "--watch", "0.01", "--config", at(config, double.address), *more]
        with subprocess.Popen(
            [sys.executable, "-m", "pointsman", *words], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            found = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(2)
            assert process.wait(30) == 0
    if more:
        assert [json.loads(line) for line in found] == [STATUS, STATUS]
    else:
        assert "".join(found).count("ready; stream\n") >= 1
        assert "\x1b" not in "".join(found)


@pytest.mark.parametrize(
    ("terminal", "ready", "start"),
    [("xterm", "\x1b[32mready\x1b[0m", "\x1b[H\x1b[J"), ("dumb", "ready", "")],
)
def test_a_terminal_has_colours_and_is_drawn_anew_if_it_can(
    config: Path, terminal: str, ready: str, start: str
) -> None:
    environ = {**os.environ, "TERM": terminal}
    environ.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    with PointsmanDouble({"/v1/status": STATUS}) as double:
        words = ["status", "--watch", "60", "--config", at(config, double.address)]
        command = [sys.executable, "-m", "pointsman", *words]
        with (
            os.fdopen(ours, "r") as screen,
            subprocess.Popen(command, stdout=theirs, env=environ) as process,
        ):
            os.close(theirs)
            shown = screen.readline() + screen.readline()
            process.send_signal(2)
            assert process.wait(30) == 0
    assert shown.startswith(start)
    assert shown.startswith("\x1b") is bool(start)
    assert shown.splitlines()[1] == f"{ready}; stream"
