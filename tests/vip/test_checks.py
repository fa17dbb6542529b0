from typing import Any

import pytest

from pointsman.discovery.model import HealthCheck, PortMapping, Task
from pointsman.healthcheck.asking import CheckRules
from pointsman.healthcheck.model import Target
from pointsman.testing import AGENT, discovery, labels, port, task
from pointsman.vip import checks
from pointsman.vip.backends import backends
from pointsman.vip.checks import Checks
from pointsman.vip.policy import Defaults

OVERLAY, BRIDGE = "9.0.2.5", "172.17.0.5"
MESOS = Checks(CheckRules(mesos=True))
NOTHING = Checks()


def web(check: str = "", number: int = 31000, protocol: str = "tcp", **changes: Any) -> Task:
    words = {"VIP_0": "/web:80", **({"VIP_0_HEALTHCHECK": check} if check else {})}
    listed = port(number, protocol=protocol, **words)
    return task(**{"discovery": discovery("web", listed), **changes})


def bridged(check: str = "", **changes: Any) -> Task:
    """Return a task whose ports 80 and 8080 are mapped to 31000 and 31001."""
    mappings = (PortMapping(31000, 80), PortMapping(31001, 8080))
    return web(
        check, 80, addresses=(BRIDGE,), runtime="DOCKER", mappings=mappings, **changes
    )  # fmt: skip


def balanced(of: Task, checked: Checks = NOTHING) -> tuple[list[Target | None], list[str]]:
    """Return what is checked of a task's real servers, and the notes."""
    found, notes = backends(of, AGENT, Defaults(), checked)
    return [one.target for one in found], [note.why for note in notes]


def alone(of: Task, checked: Checks = NOTHING) -> tuple[Target | None, tuple[str, ...]]:
    return checks.task(of, checked)


def where(found: Target | None) -> str:
    return str(found).partition(" ")[2] if found else ""


def test_a_label_of_a_vip_says_how_its_real_servers_are_checked() -> None:
    (found,), notes = balanced(web("http /up"))
    assert (str(found), notes) == ("http 10.0.0.11:31000", [])


def test_an_option_that_makes_no_sense_is_noted_and_the_tasks_own_label_counts() -> None:
    one = web("htp /up", labels=labels(HEALTHCHECK="http /task"))
    (found,), (note,) = balanced(one)
    assert str(found) == "http 10.0.0.11:31000"
    assert note.startswith("VIP web.marathon:80: label: 'htp' is no check")


def test_what_is_not_said_to_be_checked_is_not() -> None:
    assert balanced(web()) == ([None], [])
    assert alone(task()) == (None, ())


def test_a_connection_is_tried_to_real_servers_of_tcp_alone() -> None:
    tcp = Checks(CheckRules(tcp=True))
    assert [str(t) for t in balanced(web(), tcp)[0]] == ["tcp 10.0.0.11:31000"]
    assert balanced(web(protocol="udp"), tcp)[0] == [None]
    assert alone(task(ports=(31000,)), tcp) == (None, ())


def test_each_address_of_a_container_is_checked_itself() -> None:
    found, _ = balanced(web("tcp", 80, addresses=(OVERLAY, "fd01:b::5")))
    assert [where(one) for one in found] == ["9.0.2.5:80", "[fd01:b::5]:80"]


def test_a_mapped_port_is_checked_where_this_node_reaches_it() -> None:
    mapped = web("tcp", 80, addresses=("172.31.254.5",), runtime="MESOS",
                 mappings=(PortMapping(31000, 80),))  # fmt: skip
    assert [where(t) for t in balanced(mapped)[0]] == ["10.0.0.11:31000"]
    here = Checks(own=frozenset({AGENT.address}))
    assert [where(t) for t in balanced(mapped, here)[0]] == ["172.31.254.5:80"]


def test_another_port_is_the_containers_or_where_that_is_mapped() -> None:
    assert [where(t) for t in balanced(web("http port=9"))[0]] == ["10.0.0.11:9"]
    own = web("http port=9", 80, addresses=(OVERLAY, "fd01:b::5"))
    assert [where(t) for t in balanced(own)[0]] == ["9.0.2.5:9", "[fd01:b::5]:9"]
    assert [where(t) for t in balanced(bridged("http port=8080"))[0]] == ["10.0.0.11:31001"]
    assert [where(t) for t in balanced(bridged("http port=31005"))[0]] == ["10.0.0.11:31005"]


def test_it_may_be_asked_through_its_virtual_server() -> None:
    (found,), _ = balanced(web("tcp data-path=yes"))
    assert found
    assert (found.via, where(found)) == (
        "tcp web.marathon:80",
        "10.0.0.11:31000 through tcp web.marathon:80",
    )
    # What has no virtual server is asked directly.
    label = labels(HEALTHCHECK="tcp data-path=yes")
    assert where(alone(task(ports=(31000,), labels=label))[0]) == "10.0.0.11:31000"


def test_of_two_vips_on_one_port_the_target_is_one() -> None:
    listed = port(31000, VIP_0="/a:80", VIP_1="/b:80")
    one = task(discovery=discovery("x", listed), labels=labels(HEALTHCHECK="tcp"))
    (first, second), _ = balanced(one)
    assert first == second


def test_what_mesos_checks_of_the_port_is_checked_of_its_real_server() -> None:
    one = web(health_check=HealthCheck("HTTP", 31000, "/up"))
    assert [str(t) for t in balanced(one, MESOS)[0]] == ["http 10.0.0.11:31000"]
    one = web(health_check=HealthCheck("HTTP", 0, "/up"))
    assert [str(t) for t in balanced(one, MESOS)[0]] == ["http 10.0.0.11:31000"]
    one = bridged(health_check=HealthCheck("TCP", 80))
    assert [where(t) for t in balanced(one, MESOS)[0]] == ["10.0.0.11:31000"]


def test_what_mesos_checks_of_another_port_is_asked_there() -> None:
    one = web(health_check=HealthCheck("TCP", 9090))
    assert [where(t) for t in balanced(one, MESOS)[0]] == ["10.0.0.11:9090"]
    one = web(number=80, addresses=(OVERLAY,), health_check=HealthCheck("TCP", 9090))
    assert [where(t) for t in balanced(one, MESOS)[0]] == ["9.0.2.5:9090"]
    one = bridged(health_check=HealthCheck("TCP", 8080))
    assert [where(t) for t in balanced(one, MESOS)[0]] == ["10.0.0.11:31001"]


def test_what_mesos_checks_inside_alone_is_not_checked_and_noted() -> None:
    one = bridged(health_check=HealthCheck("TCP", 9090))
    (found,), (note,) = balanced(one, MESOS)
    assert found is None
    assert "asks port 9090, which is not reached from outside" in note


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ports": (31000, 31001)}, "10.0.0.11:31000"),
        ({"discovery": discovery("x", port(8080, "http"))}, "10.0.0.11:8080"),
        ({"mappings": (PortMapping(31000, 80),), "addresses": (BRIDGE,)}, "10.0.0.11:31000"),
        ({"discovery": discovery("x", port(80)), "addresses": (OVERLAY,)}, "9.0.2.5:80"),
    ],
)
def test_a_task_without_vips_is_checked_at_its_first_port(
    changes: dict[str, Any], expected: str
) -> None:
    found, notes = alone(task(labels=labels(HEALTHCHECK="tcp"), **changes))
    assert (where(found), notes) == (expected, ())


def test_a_task_without_ports_is_checked_where_its_check_says() -> None:
    def said(check: str, **changes: Any) -> Task:
        return task(labels=labels(HEALTHCHECK=check), **changes)

    assert where(alone(said("tcp port=9"))[0]) == "10.0.0.11:9"
    assert where(alone(said("tcp port=9", addresses=(OVERLAY,)))[0]) == "9.0.2.5:9"
    assert where(alone(said("tcp port=9", addresses=()))[0]) == "10.0.0.11:9"
    assert alone(said("tcp")) == (None, ("its check names no port, and it has none",))
    by_mesos = task(health_check=HealthCheck("TCP", 9))
    assert where(alone(by_mesos, MESOS)[0]) == "10.0.0.11:9"


def test_a_node_leaves_others_the_rest_but_probes_all_that_is_its_own() -> None:
    none = CheckRules(share=0, node=AGENT.address)
    assert balanced(web("tcp"), Checks(none)) == ([None], [])
    assert alone(task(labels=labels(HEALTHCHECK="tcp port=9")), Checks(none))[0] is None
    own = Checks(none, frozenset({AGENT.address}))
    assert balanced(web("tcp"), own)[0] != [None]
    assert alone(task(labels=labels(HEALTHCHECK="tcp port=9")), own)[0]
