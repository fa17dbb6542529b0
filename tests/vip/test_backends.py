from typing import Any

import msgspec
import pytest
from immutables import Map

from pointsman.discovery.model import Agent, PortMapping, Task
from pointsman.healthcheck.model import Check, Health, Standing, Status, Target, Tcp
from pointsman.healthcheck.verdict import Verdict
from pointsman.testing import AGENT, discovery, port, task
from pointsman.vip.addresses import parse_range
from pointsman.vip.backends import Backend, Vip, backends, judge
from pointsman.vip.model import Endpoint, Forwarding, Protocol
from pointsman.vip.policy import Defaults, Policy

OVERLAY = "9.0.2.5"


def web(vip: str = "/web:80", number: int = 31000, scope: str = "", **changes: Any) -> Task:
    words = {"VIP_0": vip, **({"network-scope": scope} if scope else {})}
    return task(discovery=discovery("web", port(number, **words)), **changes)


def of(one: Task, agent: Agent = AGENT) -> tuple[Backend, ...]:
    return backends(one, agent, Defaults())[0]


def test_who_stands_behind_a_virtual_server_is_told() -> None:
    (found,) = of(web(), Agent("S1", "10.0.0.11", 5051, region="eu", zone="eu-1"))
    assert found == Backend(
        Vip(Protocol.TCP, "web.marathon", "", 80),
        Endpoint("10.0.0.11", 31000),
        Endpoint("10.0.0.11", 31000),
        Verdict.LIVE,
        "10.0.0.11",
        "F1",
        "web.1",
        "eu",
        "eu-1",
    )


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.LIVE),
        ({"healthy": True, "checked": True}, Verdict.LIVE),
        ({"healthy": False, "checked": True}, Verdict.UNHEALTHY),
        ({"checked": True}, Verdict.STARTING),
        ({"state": "TASK_KILLING"}, Verdict.KILLING),
    ],
)
def test_each_stands_there_with_its_verdict(changes: dict[str, Any], verdict: Verdict) -> None:
    assert [one.verdict for one in of(web(**changes))] == [verdict]


@pytest.mark.parametrize("state", ["TASK_STAGING", "TASK_STARTING", "TASK_FAILED", "TASK_LOST"])
def test_a_task_that_does_not_run_stands_behind_nothing(state: str) -> None:
    assert of(web(state=state)) == ()


def test_a_host_port_leads_to_the_agent() -> None:
    (found,) = of(web(scope="host", addresses=(OVERLAY,)))
    assert found.endpoint == Endpoint("10.0.0.11", 31000)


def test_dcos_39165_a_container_of_an_overlay_network_is_reached_itself_in_each_family() -> None:
    found = of(web(number=80, addresses=(OVERLAY, "fd01:b::5")))
    assert [one.endpoint for one in found] == [Endpoint(OVERLAY, 80), Endpoint("fd01:b::5", 80)]


def test_dcos_oss_2070_on_its_own_host_a_mapped_port_is_the_containers() -> None:
    mapped = web(number=80, scope="container", addresses=("172.31.254.5",), runtime="MESOS",
                 mappings=(PortMapping(31000, 80),))  # fmt: skip
    (found,) = of(mapped)
    assert found.endpoint == Endpoint("10.0.0.11", 31000)
    assert found.local == Endpoint("172.31.254.5", 80)


def test_dcos_45115_docker_listens_on_the_host_port_itself() -> None:
    mapped = web(number=80, scope="container", addresses=("172.17.0.5",), runtime="DOCKER",
                 mappings=(PortMapping(31000, 80),))  # fmt: skip
    (found,) = of(mapped)
    assert found.local == found.endpoint == Endpoint("10.0.0.11", 31000)


def test_an_address_vip_takes_backends_of_its_family_only() -> None:
    both = (OVERLAY, "fd01:b::5")
    assert [b.endpoint.address for b in of(web("10.1.1.1:80", addresses=both))] == [OVERLAY]
    assert [b.endpoint.address for b in of(web("fd00::1:80", addresses=both))] == ["fd01:b::5"]


def test_dcos_oss_4395_tcp_and_udp_of_one_port_are_two_vips() -> None:
    listed = discovery("dns", port(53, "dns", "tcp,udp", VIP_0="/dns:53"))
    assert [b.vip.protocol for b in of(task(discovery=listed))] == [Protocol.TCP, Protocol.UDP]


def test_a_framework_whose_name_leaves_nothing_has_no_named_vips() -> None:
    found, notes = backends(web(framework="é"), AGENT, Defaults())
    assert found == ()
    assert "VIP web has no name" in notes[0].why
    assert len(of(web("10.1.1.1:80", framework="é"))) == 1


def test_a_name_that_is_too_long_for_dns_is_left_out_with_a_note() -> None:
    long = web(f"/{'a' * 63}.b:80")
    assert len(backends(long, AGENT, Defaults(), longest=74)[0]) == 1
    found, notes = backends(long, AGENT, Defaults(), longest=73)
    assert found == ()
    assert "longer than a name in DNS may be" in notes[0].why


def test_an_address_outside_of_what_is_allowed_is_left_out_with_a_note() -> None:
    both = web("8.8.8.8:53"), web("10.1.1.1:80")
    allowed = (parse_range("10.1.0.0/16"),)
    (refused, notes), (found, _) = (
        backends(one, AGENT, Defaults(), allowed=allowed) for one in both
    )
    assert refused == ()
    assert notes[0].why == "VIP 8.8.8.8 is outside of vip.address_ranges"
    assert [str(one.vip) for one in found] == ["10.1.1.1:80"]
    assert len(backends(web("/web:80"), AGENT, Defaults(), allowed=())[0]) == 1


def test_options_are_of_the_vip_whose_label_they_stand_beside() -> None:
    listed = port(31000, VIP_0="/web:31000", VIP_0_FORWARDING="direct", VIP_0_SCHEDULER="rr",
                  VIP_1="/www:80")  # fmt: skip
    first, second = of(task(discovery=discovery("web", listed)))
    assert (first.policy, first.real.forwarding) == (Policy("rr"), Forwarding.DIRECT)
    assert (second.policy, second.real.forwarding) == (Policy(), Forwarding.MASQUERADE)


def test_what_the_kernel_would_take_and_not_do_is_noted() -> None:
    listed = port(31000, VIP_0="/web:80", VIP_0_FORWARDING="direct")
    (found,), (note,) = backends(task(discovery=discovery("web", listed)), AGENT, Defaults())
    assert found.real.forwarding == Forwarding.MASQUERADE
    assert str(note) == (
        "task web.1 of marathon: VIP web.marathon:80: forwarding direct can't lead port 80 to "
        "port 31000"
    )


def test_the_time_to_be_killed_is_told() -> None:
    assert of(web(grace=7.5))[0].grace == 7.5


CHECKED = task(discovery=discovery("web", port(31000, VIP_0="/web:80", VIP_0_HEALTHCHECK="tcp")))
TARGET = Target("10.0.0.11", 31000, Check(Tcp()))


def believed(standing: Standing, since: float = 5.0) -> Health:
    return Health(Map({TARGET: Status(standing, since)}))


@pytest.mark.parametrize(
    ("standing", "verdict"),
    [
        (Standing.NEW, Verdict.STARTING),
        (Standing.UP, Verdict.LIVE),
        (Standing.SICK, Verdict.UNHEALTHY),
        (Standing.LOST, Verdict.LOST),
    ],
)
def test_a_real_server_is_what_its_probe_says(standing: Standing, verdict: Verdict) -> None:
    (found,), _ = backends(CHECKED, AGENT, Defaults(), health=believed(standing))
    assert (found.verdict, found.target, found.since) == (verdict, TARGET, 5.0)


def test_what_was_not_probed_yet_is_new_or_trusted() -> None:
    (found,), _ = backends(CHECKED, AGENT, Defaults())
    assert found.verdict is Verdict.STARTING
    (found,), _ = backends(CHECKED, AGENT, Defaults(), health=Health(trusting=True))
    assert found.verdict is Verdict.LIVE


def test_of_one_that_is_killed_no_probe_is_heard() -> None:
    for standing in Standing:
        killed = msgspec.structs.replace(CHECKED, state="TASK_KILLING")
        (found,), _ = backends(killed, AGENT, Defaults(), health=believed(standing))
        assert (found.verdict, found.since) == (Verdict.KILLING, 0)
        assert judge(killed, TARGET, believed(standing)) == (Verdict.KILLING, 0)


def test_a_note_of_its_check_is_told_once_for_all_its_addresses() -> None:
    both = task(
        discovery=discovery("web", port(80, VIP_0="/web:80", VIP_0_HEALTHCHECK="ping")),
        addresses=(OVERLAY, "fd01:b::5"),
    )
    found, (note,) = backends(both, AGENT, Defaults())
    assert len(found) == 2
    assert note.why.startswith("VIP web.marathon:80: label: 'ping' is no check")
