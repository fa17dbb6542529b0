import pytest

from pointlab.topology import AGENTS, CLIENT, MASTER, NODES, node, pointsman_config
from pointsman.config import parse


@pytest.mark.parametrize("one", NODES, ids=lambda one: one.name)
def test_configuration_of_every_node_is_one_that_pointsman_takes(one: object) -> None:
    config = parse(pointsman_config(node(one.name), "/run/x"))  # type: ignore[attr-defined]

    assert config.discovery.masters == (f"{MASTER.address}:5050",)
    assert config.dns.listen == (f"{one.address}:53",)  # type: ignore[attr-defined]


def test_client_reaches_vips_through_a_node_with_pointsman() -> None:
    director = next(n for n in NODES if n.address == CLIENT.via)

    assert director.pointsman
    assert not CLIENT.pointsman


def test_names_and_addresses_are_used_once() -> None:
    assert len({n.name for n in NODES}) == len({n.address for n in NODES}) == len(NODES)


def test_unknown_node_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(LookupError, match="master, agent1, agent2, agent3, client"):
        node("agent9")


def test_agents_are_nodes() -> None:
    assert set(AGENTS) < set(NODES)
