import pytest

from pointlab.site import topology
from pointlab.site.configured import pointsman
from pointlab.site.topology import TopologyError, parse
from pointsman.config import parse as parse_config

SMALL = """
about = "Two nodes."
[networks.lan]
prefixes = ["10.0.0.0/24"]
[nodes.master]
links = { lan = ["10.0.0.1"] }
runs = ["master", "framework"]
[nodes.agent1]
links = { lan = ["10.0.0.11"] }
runs = ["agent", "pointsman"]
[nodes.client]
links = { lan = ["10.0.0.100"] }
vips = "agent1"
"""


@pytest.mark.parametrize("name", topology.names())
def test_each_topology_of_the_lab_can_be_used(name: str) -> None:
    read = topology.load(name)

    assert read.name == name
    for one in read.running("pointsman"):
        config = parse_config(pointsman(read, one, "/run/x"))
        assert config.vip.node_address == one.address
        assert bool(config.discovery.zookeeper) == bool(read.running("zookeeper"))


@pytest.mark.parametrize("name", topology.names())
def test_clients_reach_vips_through_a_node_with_pointsman(name: str) -> None:
    read = topology.load(name)
    clients = [one for one in read.nodes.values() if one.vips or not one.runs]

    assert clients
    for one in clients:
        # A router is told of them by those that announce; a real server may have them itself.
        way = read.nodes[one.vips or one.gateway]
        assert {"pointsman", "router"} & {*way.runs} or way == one
        assert "pointsman" not in one.runs


def test_node_is_known_by_its_first_address() -> None:
    read = parse(SMALL, "small")

    assert read.node("agent1").address == "10.0.0.11"
    assert [one.name for one in read.running("pointsman")] == ["agent1"]


def test_unknown_node_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(LookupError, match="master, agent1, client"):
        parse(SMALL, "small").node("agent9")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"10.0.0.11"', '"10.0.1.11"', "nodes.agent1.links.lan: 10.0.1.11 is in none of its"),
        ('"10.0.0.11"', '"10.0.0.1"', "nodes.agent1.links.lan: 10.0.0.1 is another node's"),
        ('"10.0.0.11"', '"ten"', "nodes.agent1.links.lan: 'ten' does not appear to be"),
        ('vips = "agent1"', 'vips = "agent2"', "nodes.client.vips: no node 'agent2'"),
        ('vips = "agent1"', 'via = "agent1"', "unknown field `via` - at `$.nodes"),
        ('"agent", "pointsman"', '"agent"', "none runs an agent, or none pointsman"),
        ('"master", "framework"', '"master"', "one has to run the framework"),
        ('"master", "framework"', '"framework"', "an odd number has to run a master"),
        ("[nodes.client]", "[nodes.c_l]", "nodes.c_l: a name is of at most ten letters"),
        ("about =", "about", "Expected '='"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, problem: str) -> None:
    assert old in SMALL
    with pytest.raises(TopologyError) as refused:
        parse(SMALL.replace(old, new), "small")
    assert problem in str(refused.value)


def test_unknown_topology_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(TopologyError, match=r"flat, .*small"):
        topology.load("huge")


def test_zones_are_those_of_nodes_where_they_are_preferred() -> None:
    zones = topology.load("zones").zones()

    assert zones == {"master": "a", "agent1": "a", "edgea": "a", "agent2": "b", "edgeb": "b"}
    assert topology.load("small").zones() == {}
