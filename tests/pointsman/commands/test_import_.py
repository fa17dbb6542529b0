import json
from pathlib import Path

import pytest

from pointsman.cli import main
from pointsman.config import parse


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text('{"masters": ["10.0.0.1:5050"], "email": "a.b"}')
    return path


def test_the_configuration_is_printed_and_remarks_beside_it(
    theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "mesos-dns", str(theirs)]) == 0
    said = capsys.readouterr()
    assert parse(said.out).discovery.masters == ("10.0.0.1:5050",)
    assert "pointsman: " in said.err


def test_json_has_both(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "mesos-dns", "--json", str(theirs)]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert parse(found["toml"]).discovery.masters == ("10.0.0.1:5050",)
    assert found["remarks"]
    assert said.err == ""


def test_a_file_that_is_not_there_and_one_that_is_wrong(
    theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "mesos-dns", f"{theirs}.none"]) == 1
    theirs.write_text("{")
    assert main(["import", "mesos-dns", str(theirs)]) == 2
    assert str(theirs) in capsys.readouterr().err
