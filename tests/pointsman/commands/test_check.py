import json
import socket
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.doubles import MasterDouble

GOOD = """
state_dir = "{folder}"
[discovery]
masters = ["127.0.0.1:1"]
[dns]
listen = ["127.0.0.1:{port}"]
[vip]
enabled = false
[http]
listen = ""
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a node that would serve DNS alone, on a port that is free."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    path = tmp_path / "p.toml"
    path.write_text(GOOD.format(folder=tmp_path, port=port))
    return path


def test_a_good_node(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--offline", "--config", str(config)]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"{config}: good"
    assert last.startswith("0 errors, ")


def test_an_error_is_told_with_what_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config)]) == 1
    out = capsys.readouterr().out
    assert "error    masters   127.0.0.1:1 refuses connections\n         -> start" in out


def test_an_address_that_is_not_there_yet_is_a_warning(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = config.read_text()
    config.write_text(text.replace("listen = [", 'listen = ["192.0.2.1:53", '))
    assert main(["check", "--offline", "--config", str(config)]) == 0
    why = "no interface has 192.0.2.1 yet; it is answered on once one has"
    assert f"warning  ports     {why}" in capsys.readouterr().out


def test_a_server_that_would_ask_itself_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = config.read_text().replace("[vip]", '[dns.forward]\nupstreams = ["127.0.0.1:53"]\n[vip]')
    own = text.partition('listen = ["')[2].partition('"')[0]
    config.write_text(text.replace('["127.0.0.1:53"]', f'["{own}"]'))
    assert main(["check", "--offline", "--config", str(config)]) == 1
    assert "is this server" in capsys.readouterr().out


def test_a_configuration_that_is_wrong(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("[dns]\nttll = 3\n")
    assert main(["check", "--config", str(config)]) == 2
    assert "ttll: unknown key" in capsys.readouterr().err
    assert main(["check", "--json", "--config", str(config)]) == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["error"], found["findings"][0]["topic"]) == (1, "configuration")


def test_json_has_all_findings(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with MasterDouble(b"{}") as master:
        config.write_text(config.read_text().replace('127.0.0.1:1"', f'{master.address}"'))
        assert main(["check", "--json", "--config", str(config)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(config)
    levels = [one["level"] for one in found["findings"]]
    assert [found[level] for level in ("ok", "warning", "error")] == [
        levels.count(level) for level in ("ok", "warning", "error")
    ]
    (odd,) = (one for one in found["findings"] if one["level"] == "error")
    assert odd["what"] == f"{master.address} does not answer as a Mesos master: it says 501"
