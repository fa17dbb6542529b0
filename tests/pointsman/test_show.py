"""What a real master's state leads to, beside golden files; ``--update-golden`` rewrites them."""

import json
from pathlib import Path

import pytest

from pointsman.config import Config
from pointsman.discovery.statefile import read
from pointsman.show import show

TESTS = Path(__file__).parents[1]
STATE = read(TESTS / "data/mesos/running-state.json")


@pytest.mark.parametrize("what", ["zone", "vips"])
def test_a_real_state_leads_to_what_a_person_has_reviewed(
    what: str, request: pytest.FixtureRequest
) -> None:
    golden = TESTS / f"golden/running-{what}.json"
    shown = show(what, STATE, Config(), as_json=True)
    if request.config.getoption("--update-golden"):
        golden.write_text(shown)
    assert shown == golden.read_text()


def test_json_is_of_the_documented_shape() -> None:
    zone = json.loads(show("zone", STATE, Config(), as_json=True))
    assert set(zone["records"][0]) == {"name", "type", "ttl", "data"}
    vips = json.loads(show("vips", STATE, Config(), as_json=True))
    (server,) = vips["virtual_servers"]
    assert server["name"] == "web.marathon.l4lb.thisdcos.directory"
    assert set(server["real_servers"][0]) == {
        "address", "port", "weight", "agent", "framework_id", "task_id",
    }  # fmt: skip


def test_a_person_gets_columns() -> None:
    lines = show("vips", STATE, Config(), as_json=False).splitlines()
    assert lines[0].split() == ["NAME", "PROTOCOL", "ADDRESS", "PORT", "SCHEDULER"]
    assert lines[2] == "  -> 127.0.0.11:10000 weight 1 (task web.1 on 127.0.0.11)"
    assert show("notes", STATE, Config(), as_json=False) == "nothing\n"
