from pathlib import Path

import pytest

from pointsman.cli import main

CONFIG = '[discovery]\nmasters = ["127.0.0.1:1"]\n[vip]\nipv4_range = "127.0.0.0/8"\n'


def test_what_can_not_be_done_here_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On each kernel: the range has this node's own address."""
    path = tmp_path / "p.toml"
    path.write_text(CONFIG)
    assert main(["flush", "--json", "--config", str(path)]) == 1
    said = capsys.readouterr()
    assert "vip.ipv4_range: 127.0.0.0" in said.err
    assert said.out == ""
