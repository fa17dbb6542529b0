from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.site import apps, topology
from pointlab.watch import cast
from pointlab.watch.recording import Endpoint, Fault, Moment, Span, Task, View

SMALL = topology.load("small")


def told(
    at: float, task: str, state: str, healthy: bool | None = None, agent: str = "10.31.0.11"
) -> dict[str, Any]:
    return {
        "at": at,
        "task": task,
        "state": state,
        "healthy": healthy,
        "agent": agent,
        "ports": [31000],
        "addresses": [],
    }


HISTORY = [
    told(1.0, "web.1", "TASK_STARTING"),
    told(2.0, "web.1", "TASK_RUNNING"),
    told(2.5, "webs.1", "TASK_RUNNING"),
    told(3.0, "web.1", "TASK_RUNNING", True),
    told(4.0, "web.2", "TASK_RUNNING", True, "10.31.0.12"),
    told(5.0, "web.1", "TASK_FAILED"),
]


def test_task_is_made_of_all_that_was_told_of_it() -> None:
    first, second = cast.tasks(HISTORY, SMALL, "web")

    assert first == Task(
        id="web.1",
        agent="agent1",
        endpoints=(("10.31.0.11", 31000),),
        moments=(
            Moment(1.0, "TASK_STARTING"),
            Moment(2.0, "TASK_RUNNING"),
            Moment(3.0, "TASK_RUNNING", True),
            Moment(5.0, "TASK_FAILED"),
        ),
        checked=True,
    )
    assert (second.id, second.agent) == ("web.2", "agent2")


def test_container_of_its_own_address_is_there() -> None:
    update = told(1.0, "web.1", "TASK_RUNNING") | {"ports": [], "addresses": ["9.0.1.2", "fd::2"]}
    (task,) = cast.tasks([update], SMALL, "web")

    assert task.endpoints == (("9.0.1.2", apps.INNER), ("fd::2", apps.INNER))


def test_where_a_task_was_is_known_when_it_has_ended() -> None:
    update = told(1.0, "web.1", "TASK_RUNNING") | {"ports": [], "addresses": ["9.0.1.2"]}
    ended = update | {"at": 2.0, "state": "TASK_KILLED", "addresses": []}
    (task,) = cast.tasks([update, ended], SMALL, "web")

    assert task.endpoints == (("9.0.1.2", apps.INNER),)


def behind(
    at: float, task: str, agent: str, port: int, address: str = "172.31.254.2"
) -> dict[str, Any]:
    """Return what is told of a container behind the bridge of an agent."""
    update = told(at, task, "TASK_RUNNING", True, agent)
    return update | {"ports": [port], "addresses": [address]}


BRIDGED = cast.tasks(
    [
        behind(1.0, "web.1", "10.31.0.11", 31_000),
        behind(1.0, "web.2", "10.31.0.12", 31_001),
        behind(9.0, "web.3", "10.31.0.12", 31_002),
    ],
    topology.load("bridge"),
    "web",
)
INSIDE = frozenset({("172.31.254.2", apps.INNER)})


def test_container_behind_a_bridge_is_at_its_host_port() -> None:
    assert BRIDGED[0].endpoints == (("10.31.0.11", 31_000),)
    assert BRIDGED[0].inner == (("172.31.254.2", apps.INNER),)


def test_task_with_a_port_on_its_hosts_network_has_no_other_endpoint() -> None:
    update = behind(1.0, "web.1", "10.31.0.11", 31_000, "10.31.0.11")
    (task,) = cast.tasks([update], topology.load("bridge"), "web")

    assert task.inner == ()


@pytest.mark.parametrize(
    ("node", "at", "found"),
    [
        ("agent1", 10.0, ("10.31.0.11", 31_000)),
        ("agent2", 5.0, ("10.31.0.12", 31_001)),
        ("agent2", 10.0, ("10.31.0.12", 31_002)),
        ("master", 10.0, ("172.31.254.2", apps.INNER)),
    ],
)
def test_agents_kernel_has_its_own_containers_of_that_time(
    node: str, at: float, found: Endpoint
) -> None:
    far = ("10.31.0.13", 31_000)

    assert cast.outer(INSIDE | {far}, BRIDGED, node, at) == {found, far}


def test_kernels_of_a_recording_have_host_ports_and_dns_is_as_it_was() -> None:
    spans = (Span(2.0, 4.0, 9, INSIDE), Span(11.0, 12.0, 9, INSIDE, "odd"))
    outside = [frozenset({("10.31.0.12", port)}) for port in (31_001, 31_002)]

    assert cast.view(View("agent2", "srv", spans), BRIDGED).spans == spans
    assert cast.view(View("agent2", "kernel", spans), BRIDGED).spans == (
        Span(2.0, 4.0, 9, outside[0]),
        Span(11.0, 12.0, 9, outside[1], "odd"),
    )


def test_those_serve_that_mesos_says_do() -> None:
    assert [task.id for task in cast.serving(cast.tasks(HISTORY, SMALL, "web"))] == ["web.2"]


def test_task_does_not_serve_before_its_first_check() -> None:
    (task,) = cast.tasks(HISTORY[:2], SMALL, "web")

    assert cast.serving([task]) == []


@pytest.mark.parametrize(
    ("target", "found"), [("web.1", ["web.1"]), ("web@agent2", ["web.2"]), ("web.2", ["web.2"])]
)
def test_word_means_tasks(target: str, found: list[str]) -> None:
    named = cast.named(cast.tasks(HISTORY, SMALL, "web"), target)

    assert [task.id for task in named] == found


@pytest.mark.parametrize("target", ["web.9", "web@agent3"])
def test_word_that_means_none_is_said_with_those_there_are(target: str) -> None:
    with pytest.raises(LookupError, match=f"no task '{target}'; there are web.2"):
        cast.named(cast.tasks(HISTORY, SMALL, "web"), target)


@given(st.from_regex(r"[a-z]{1,8}(-[a-z]{1,3})?", fullmatch=True), st.integers(1, 99))
def test_app_is_told_from_both_words(app: str, number: int) -> None:
    assert cast.app_of(f"{app}.{number}") == app == cast.app_of(f"{app}@agent1")


def test_nodes_that_are_broken_are_not_whole() -> None:
    faults = [
        Fault(1.0, "crash agent1", nodes=frozenset({"agent1"})),
        Fault(2.0, "kill pointsman-agent2", programs=frozenset({"agent2"})),
        Fault(3.0, "crash agent3", nodes=frozenset({"agent3"}), until=4.0),
    ]

    assert cast.whole(SMALL, faults) == ["master", "agent3"]


def test_endpoints_are_written_as_the_tasks_there() -> None:
    tasks = cast.tasks(HISTORY, SMALL, "web")

    assert cast.written([("10.31.0.11", 31000), ("10.31.0.9", 1)], tasks) == (
        "web.1, 10.31.0.9 port 1"
    )
    assert cast.written([], tasks) == "none"


def test_port_of_a_vip_is_that_of_its_label() -> None:
    assert cast.vip_port(apps.web(SMALL, "web", port=8080)) == 8080


@pytest.mark.parametrize(
    ("address", "written"), [("11.0.0.1", "11.0.0.1:80"), ("fd01::1", "[fd01::1]:80")]
)
def test_address_of_ipv6_stands_in_brackets(address: str, written: str) -> None:
    assert cast.bracketed(address, 80) == written
