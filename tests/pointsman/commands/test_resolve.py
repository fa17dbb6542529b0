import json
from pathlib import Path

import pytest

from pointsman.cli import main

STATE = str(Path(__file__).parents[2] / "data/mesos/running-state.json")


def test_a_name_with_an_answer_and_one_without(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", "leader.mesos", "a", "--state", STATE]) == 0
    assert "leader.mesos." in capsys.readouterr().out
    assert main(["resolve", "nobody.mesos", "--state", STATE]) == 1


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", "leader.mesos", "--json", "--state", STATE]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["exists"]) == ("leader.mesos.", True)
