import json
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.doubles import PointsmanDouble

VIPS = [
    {
        "vip": "web", "protocol": "tcp", "ip": "11.0.0.1", "port": 80,
        "backend": [{"ip": "10.0.0.1", "port": 31000, "weight": 1}],
    }
]  # fmt: skip


def test_what_would_be_announced_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PointsmanDouble({"/readyz": {}, "/v1/vips": VIPS}) as double:
        path = tmp_path / "p.toml"
        path.write_text(f"""
            discovery = {{ masters = ["10.0.0.1:5050"] }}
            http = {{ listen = "{double.address}" }}
        """)
        assert main(["announce", "--once", "--json", "--config", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"routes": ["11.0.0.1/32"]}


def test_json_is_for_what_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["announce", "--json"]) == 2
    assert "--once" in capsys.readouterr().err
