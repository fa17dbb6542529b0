"""What nodes do for containers, and what apps say of them."""

import ipaddress
import itertools

import pytest

from pointlab.site import apps, containers, topology
from pointlab.site.topology import Topology

ROUTED, OVERLAY, BRIDGE, DUAL = map(topology.load, ("routed", "overlay", "bridge", "dual"))


def links(of: Topology, name: str) -> tuple[str, ...]:
    return containers.links(of, of.node(name))


def rules(of: Topology, name: str) -> str:
    return "\n".join(containers.rules(of, of.node(name)))


def test_nodes_of_tasks_on_the_host_need_nothing() -> None:
    flat = topology.load("flat")

    assert [links(flat, name) for name in flat.nodes] == [()] * len(flat.nodes)
    assert [rules(flat, name) for name in flat.nodes] == [""] * len(flat.nodes)


@pytest.mark.parametrize("of", [OVERLAY, ROUTED, DUAL], ids=lambda of: of.name)
def test_no_two_agents_have_a_subnet_in_common(of: Topology) -> None:
    subnets = [
        ipaddress.ip_network(subnet)
        for agent in of.running("agent")
        for subnet in of.subnets(agent.name)
    ]

    pairs = [(a, b) for a, b in itertools.combinations(subnets, 2) if a.version == b.version]
    assert pairs
    assert not any(a.overlaps(b) for a, b in pairs)


def test_bridge_has_the_first_address_of_each_subnet() -> None:
    assert "addr add 10.32.2.1/24 dev cni0" in links(DUAL, "agent2")
    assert "addr add fd00:32:2::1/64 dev cni0 nodad" in links(DUAL, "agent2")


def test_docker_has_a_bridge_of_its_own_beside_that_of_cni() -> None:
    assert "addr add 172.17.0.1/16 dev docker0" in links(BRIDGE, "agent1")
    assert "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE" in rules(BRIDGE, "agent1")
    assert "-s 172.31.254.0/24 ! -d 172.31.254.0/24" in rules(BRIDGE, "agent1")
    assert links(BRIDGE, "master") == ()


def test_routes_lead_to_agents_that_are_neighbours() -> None:
    assert [x for x in links(ROUTED, "agent2") if x.startswith("route")] == [
        "route add 10.32.3.0/24 via 10.31.2.13",
    ]
    assert links(ROUTED, "router") == (
        "route add 10.32.1.0/24 via 10.31.1.11",
        "route add 10.32.2.0/24 via 10.31.2.12",
        "route add 10.32.3.0/24 via 10.31.2.13",
    )
    assert links(ROUTED, "client") == ()  # its gateway knows


def test_routed_containers_keep_their_addresses() -> None:
    assert "MASQUERADE" not in rules(ROUTED, "agent1")


def test_tunnel_knows_the_ends_of_all_others() -> None:
    ends = {"master": "10.31.0.1", "agent1": "10.31.0.11", "agent2": "10.31.0.12"}
    for name in ends:
        others = {address for other, address in ends.items() if other != name}
        known = [x.split() for x in rules(OVERLAY, name).splitlines() if x.startswith("bridge")]
        assert {words[-1] for words in known} == others
        ways = [x for x in links(OVERLAY, name) if x.startswith("route")]
        assert len(ways) == len(others - {"10.31.0.1"})
    assert links(OVERLAY, "client") == ()


@pytest.mark.parametrize(
    ("of", "network", "scope", "number"),
    [
        (BRIDGE, "host", None, "$0"),
        (BRIDGE, "", "host", "$0"),
        (BRIDGE, "docker", "host", "$0"),
        (OVERLAY, "", "container", apps.INNER),
        (ROUTED, "", "container", apps.INNER),
    ],
)
def test_port_is_told_as_marathon_tells_it(
    of: Topology, network: str, scope: str | None, number: int | str
) -> None:
    spec = apps.web(of, "shop", port=81, network=network)

    (port,) = spec["discovery"]["ports"]["ports"]
    labels = {label["key"]: label["value"] for label in port["labels"]["labels"]}
    assert port["number"] == number
    assert labels.get("network-scope") == scope
    assert labels["VIP_0"] == "/shop:81"


def test_check_of_pointsman_stands_beside_the_vip() -> None:
    spec = apps.web(topology.load("flat"), "web", check="http /health")

    (port,) = spec["discovery"]["ports"]["ports"]
    assert {"key": "VIP_0_HEALTHCHECK", "value": "http /health"} in port["labels"]["labels"]


def test_mesos_asks_by_ipv6_where_containers_have_nothing_else() -> None:
    assert apps.web(topology.load("ipv6"), "web")["health"]["http"]["protocol"] == "IPv6"
    assert "protocol" not in apps.web(DUAL, "web")["health"]["http"]
