"""Two directors: one may be killed, crash, come back or be taken out, and requests go on."""

import re
import subprocess
from pathlib import Path

import pytest

from pointlab.shows.directors import KEPT, Count, Phase, count, unpromised
from pointlab.site import bgp, topology
from pointlab.watch.load import Load
from pointlab.watch.recording import Request

LAB = Path(__file__).parents[2] / "netns-lab/lab"


def test_a_router_prefers_no_director_that_is_new() -> None:
    directors = topology.load("directors")
    text = bgp.router(directors, directors.node("router"))
    assert text.count("prefer older on;") == 2
    assert "neighbor 10.31.0.21 as 65000;" in text


def test_bgp_runs_on_directors_and_routers_alone() -> None:
    directors, flat = topology.load("directors"), topology.load("flat")
    folder = Path("/run/x")

    def names(of: topology.Topology) -> list[str]:
        nodes = of.nodes.values()
        return [s.name for n in nodes for s in bgp.services(of, n, folder, folder / "p.toml")]

    assert names(directors) == [
        "announce-edge1", "bird-edge1", "announce-edge2", "bird-edge2", "bird-router",
    ]  # fmt: skip
    assert not names(flat)


def test_failures_are_late_once_the_router_has_followed() -> None:
    load = Load("", "11.0.0.1:80")
    load.requests = [
        Request(start, start + 1, "", error)
        for start, error in ((0.5, "before"), (1.5, "too early"), (2.5, "late"), (2.6, ""))
    ]
    assert count(load, Phase("crash", 1.0, followed=2.0), 10.0) == Count(3, 2, 1)
    assert count(load, Phase("kill", 1.0), 10.0) == Count(3, 2, 2)


def test_a_masqueraded_connection_may_break_once_when_its_director_goes() -> None:
    crash, kill = Phase("crash", 1.0, followed=2.0), Phase("kill", 1.0)
    found = Count(100, KEPT + 1, KEPT + 1)
    assert unpromised("masquerade, kept", found, crash) == 1
    assert unpromised("masquerade, kept", found, kill) == KEPT + 1
    assert unpromised("direct, mh, kept", found, crash) == KEPT + 1


@pytest.mark.long
@pytest.mark.timeout(600)
def test_directors_go_and_come_back_and_requests_go_on() -> None:
    if not bgp.SBIN.exists():
        pytest.skip("the BGP routers are not there: scripts/install")
    done = subprocess.run([LAB, "directors"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(
        r"^(?:steady|Pointsman|edge[12] is).*?((?: +\d+ of \d+){4})$", done.stdout, re.MULTILINE
    )
    assert len(rows) == 4, done.stdout
    assert all(int(failed) == 0 for row in rows for failed in re.findall(r"(\d+) of", row))
