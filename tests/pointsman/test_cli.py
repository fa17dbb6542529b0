import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.cli import main

STATE = str(Path(__file__).parents[1] / "data/mesos/running-state.json")


def test_a_broken_configuration_names_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text("[dns]\nttll = 3\n[vip]\nenabeld = true\n")
    assert main(["check", "--config", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'pointsman: {path}: dns.ttll: unknown key; did you mean "ttl"?',
        f'pointsman: {path}: vip.enabeld: unknown key; did you mean "enabled"?',
    ]


def test_a_good_configuration_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[discovery]\nmasters = ["10.0.0.1:5050"]\n')
    assert main(["check", "--config", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: good\n"


def test_an_address_that_is_not_there_yet_is_said_and_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        '[discovery]\nmasters = ["10.0.0.1:5050"]\n[dns]\nlisten = ["lo:53", "192.0.2.1:53"]\n'
    )
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr()
    why = "no interface has 192.0.2.1 yet; it is answered on once one has"
    assert said.err == f"{path}: dns.listen[1]: {why}\n"
    assert said.out == f"{path}: good\n"


def test_a_server_that_would_ask_itself_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        '[discovery]\nmasters = ["10.0.0.1:5050"]\n[dns.forward]\nupstreams = ["127.0.0.1"]\n'
    )
    assert main(["check", "--config", str(path)]) == 1
    assert "dns.forward.upstreams: '127.0.0.1' is this server" in capsys.readouterr().err


def test_a_state_that_is_none_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "zone", "--state", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "half").write_bytes(Path(STATE).read_bytes()[:1000])
    assert main(["show", "zone", "--state", str(tmp_path / "half")]) == 1
    assert "can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["zone", "vips", "cluster", "notes"])
def test_views_are_shown(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", what, "--state", STATE]) == 0
    assert capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m pointsman show zone --state {STATE} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False
    )
    assert done.stderr == b""


def test_a_port_that_is_taken_ends_the_run_with_advice(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        path = tmp_path / "p.toml"
        path.write_text(f"""
            discovery = {{ masters = ["127.0.0.1:1"] }}
            dns = {{ listen = ["127.0.0.1:{port}"] }}
            vip = {{ enabled = false }}
            http = {{ listen = "" }}
        """)
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"pointsman: dns.listen: UDP 127.0.0.1:{port} is taken: `ss -lnup" in done.stderr
    assert "Traceback" not in done.stderr
