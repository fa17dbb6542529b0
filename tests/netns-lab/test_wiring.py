import pytest

from pointlab.site import topology, wiring


@pytest.mark.parametrize("name", topology.names())
def test_a_machine_that_comes_back_is_wired_as_it_was(name: str) -> None:
    read = topology.load(name)

    for one in read.nodes.values():
        assert wiring.node(read, one, "ns") == wiring.node(topology.load(name), one, "ns")


@pytest.mark.parametrize("name", topology.names())
def test_each_link_has_a_port_and_an_address_of_its_own(name: str) -> None:
    read = topology.load(name)
    made = [
        command.split()
        for one in read.nodes.values()
        for batch in wiring.node(read, one, f"ns-{one.name}")
        for command in batch.ip
        if command.startswith("link add") and " veth " in command
    ]

    assert len(made) == sum(len(one.links) for one in read.nodes.values())
    for of in ("add", "address"):
        named = [words[words.index(of) + 1] for words in made]
        assert len(set(named)) == len(named)
    assert all(len(words[words.index("add") + 1]) <= 15 for words in made)


def test_a_client_reaches_vips_through_its_node() -> None:
    read = topology.load("small")
    _, own = wiring.node(read, read.node("client"), "ns")

    assert "route add 11.0.0.0/8 via 10.31.0.1" in own.ip
    assert "addr add 10.31.0.100/24 dev eth0" in own.ip


def test_nodes_on_one_network_join_its_bridge() -> None:
    read = topology.load("small")
    plugged, _ = wiring.node(read, read.node("agent1"), "ns")
    (bridges,) = wiring.switch(read)

    assert plugged.node == bridges.node == wiring.SWITCH
    assert "link set agent1.lan master lan up" in plugged.ip
    assert "link set lan up" in bridges.ip
