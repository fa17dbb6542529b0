import io
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from rich.console import Console

from pointlab.judge.judge import verdict
from pointlab.report.simulated import Simulation
from pointlab.scenario import script, trials, verbs
from pointlab.scenario.stage import Stage, StepError
from pointlab.scenario.trials import Result
from pointlab.site import topology
from pointlab.site.lab import Lab
from pointlab.watch.recording import Fault

SMALL = topology.load("small")


@dataclass
class Framework:
    """Stands for a cluster: keeps what it is asked for, and tells what it is given."""

    history: list[dict[str, Any]] = field(default_factory=list)
    apps: dict[str, Any] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        if method != "GET":
            self.asked.append((method, path, body))
            return {}
        return {"/history": {"history": self.history}, "/apps": self.apps}[path]

    def keep(self, app: str, instances: int, **spec: Any) -> None:
        self.asked.append(("keep", app, instances, spec["ports"]))

    def kill(self, task: str) -> None:
        self.asked.append(("kill", task))

    def health(self, task: str, healthy: bool | None) -> None:
        self.asked.append(("health", task, healthy))


@dataclass
class Site:
    """Stands for a lab."""

    folder: Any
    cluster: Framework = field(default_factory=Framework)
    topology: Any = SMALL

    def netns(self, node: str) -> str:
        return f"lab-nowhere-{node}"

    def node(self, name: str) -> Any:
        return self.topology.node(name)


@pytest.fixture
def site(tmp_path: Any) -> Site:
    running = {"state": "TASK_RUNNING", "healthy": True, "ports": [31000], "addresses": []}
    told = [
        {"at": 1.0, "task": "web.1", "agent": "10.31.0.11", **running},
        {"at": 2.0, "task": "web.2", "agent": "10.31.0.12", **running},
    ]
    apps = {"web": {"instances": 2, "discovery": {}}}
    return Site(tmp_path, Framework(told, apps))


def do(site: Site, line: str) -> None:
    Stage(cast(Lab, site)).do(script.step(script.words(line)))


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("run web --instances 2 --host-port 12080", ("keep", "web", 2, [12080])),
        ("scale web 5", ("PUT", "/apps/web", {"instances": 5})),
        ("stop web", ("PUT", "/apps/web", {"instances": 0})),
        ("kill web.1", ("kill", "web.1")),
        ("kill web@agent2", ("kill", "web.2")),
        ("health web.1 false", ("health", "web.1", False)),
    ],
)
def test_framework_is_asked_for_what_a_step_says(site: Site, line: str, asked: Any) -> None:
    do(site, line)

    assert site.cluster.asked == [asked]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("scale wep 5", "scale wep 5: no app 'wep'; there are web"),
        ("kill web.3", "kill web.3: no task 'web.3'; there are web.1, web.2"),
        ("expect web 3 within 0", "after 0 s by Mesos 2 of web serve: web.1, web.2"),
    ],
)
def test_step_that_fails_says_what_there_is(site: Site, line: str, problem: str) -> None:
    with pytest.raises(StepError) as raised:
        do(site, line)

    assert problem in str(raised.value)


def test_what_is_done_is_noted_and_what_is_awaited_is_not(site: Site) -> None:
    do(site, "scale web 5")
    do(site, "sleep 0")

    assert [note.text for note in Stage(cast(Lab, site)).journal.notes()] == ["scale web 5"]


def test_nothing_is_expected_of_what_is_broken(site: Site) -> None:
    stage = Stage(cast(Lab, site))
    stage.journal.broke(Fault(1.0, "crash agent1", nodes=frozenset({"agent1"})), "crash agent1")

    assert stage.eyes.whole() == ["master", "agent2", "agent3"]


def test_watch_that_the_peers_are_not_ready_for_leaves_nothing_to_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.topology = topology.load("peers")
    stage = Stage(cast(Lab, site))
    monkeypatch.setattr(stage.eyes, "vip", lambda _: "11.0.0.1:80")
    monkeypatch.setattr("pointlab.scenario.stage.NAMED", 0.2)

    with pytest.raises(StepError) as raised:
        stage.do(script.step(["watch", "web"]))
    stage.stop()

    assert "in vain for the peers having all" in str(raised.value)
    assert stage.recordings("") == stage.of_peers("") == ()


def test_table_has_a_row_for_each_scenario() -> None:
    recording = Simulation(1).recording()
    good = script.load("killed")
    results = [
        Result(good, 12.3, (recording,), (verdict(recording),), (), clean=True),
        Result(script.load("host"), 1.0, (), (), ("host.lab:4: no",), clean=False),
    ]
    out = Console(file=io.StringIO(), width=80)
    out.print(trials.table(results))
    printed = cast(io.StringIO, out.file).getvalue()

    assert "…" not in printed
    rows = [line.split() for line in printed.splitlines()]
    assert [(row[0], row[-1]) for row in rows[-2:]] == [("killed", "good"), ("host", "failed")]


@pytest.mark.parametrize(
    "words", [["scale", "web", "5", "--lab", "x"], ["scale", "--lab", "x", "web", "5"]]
)
def test_lab_may_be_named_anywhere(words: list[str]) -> None:
    assert verbs.lab_first(words) == ["scale", "--lab", "x", "web", "5"]


def test_commands_of_others_are_left_as_they_are() -> None:
    words = ["exec", "client", "tool", "--lab", "x"]

    assert verbs.lab_first(words) == words
