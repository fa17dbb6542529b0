from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pointlab.faults.impairment import Setting, concerned, settings
from pointlab.site import topology
from pointlab.site.topology import parse

FLAT = topology.load("flat")
TWO = parse(
    """
about = "Two networks, both IP versions, and containers."
[networks.one]
prefixes = ["10.0.0.0/24", "fd00::/64"]
[networks.two]
prefixes = ["10.0.1.0/24"]
[containers]
kind = "routed"
subnets = ["10.9.{n}.0/24", "fd09:{n}::/64"]
[nodes.master]
links = { one = ["10.0.0.1", "fd00::1"] }
runs = ["master", "framework"]
[nodes.agent1]
links = { one = ["10.0.0.11", "fd00::11"], two = ["10.0.1.11"] }
runs = ["agent", "pointsman"]
""",
    "two",
)
LASTING = st.lists(
    st.sampled_from(
        ["black-hole agent1", "delay agent1 50 5", "loss agent2 1", "duplicate agent1 2",
         "partition agent1,edge agent2", "deaf agent2 client", "kill master1", "crash agent3"]
    ),
    unique=True,
)  # fmt: skip


def words(*lasting: str) -> list[list[str]]:
    return [one.split() for one in lasting]


def of(found: Sequence[Setting], node: str) -> str:
    return "\n".join(line for one in found if one.node == node for line in (*one.ip, *one.tc))


def test_node_that_is_well_has_ports_that_are_up_queues_that_do_nothing_and_no_filter() -> None:
    assert settings(FLAT, ["agent1"], []) == (
        Setting(
            "switch",
            ("qdisc replace dev agent1.lan root noqueue",),
            ("link set agent1.lan up",),
        ),
        Setting(
            "agent1",
            (
                "qdisc replace dev eth0 root noqueue",
                "qdisc replace dev eth0 clsact",
                "filter del dev eth0 ingress",
            ),
        ),
    )


def test_several_faults_of_a_node_are_one_queue_each_way() -> None:
    found = settings(FLAT, ["agent1"], words("delay agent1 50 5", "loss agent1 1"))

    options = "root netem limit 100000 delay 50ms 5ms loss 1%"
    assert f"qdisc replace dev eth0 {options}" in of(found, "agent1")
    assert f"qdisc replace dev agent1.lan {options}" in of(found, "switch")


def test_partition_drops_all_that_the_other_side_and_its_containers_send() -> None:
    found = settings(TWO, ["master", "agent1"], words("partition master agent1"))

    for number, prefix in enumerate(["10.0.0.11", "fd00::11", "10.0.1.11", "10.9.1.0/24"]):
        protocol = ("ipv6 pref 2" if ":" in prefix else "ip pref 1") + f" flower src_ip {prefix}"
        assert f"ingress protocol {protocol} action drop" in of(found, "master"), number
    for interface in ("eth0", "eth1"):
        assert f"{interface} ingress protocol ip pref 1 flower src_ip 10.0.0.1 " in of(
            found, "agent1"
        )


def test_deaf_concerns_the_one_that_does_not_hear() -> None:
    found = settings(FLAT, FLAT.nodes, words("deaf agent1 agent2"))

    assert concerned(["deaf", "agent1", "agent2"]) == ["agent1"]
    assert "src_ip 10.31.0.12 " in of(found, "agent1")
    assert "src_ip" not in of(found, "agent2")


@given(lasting=LASTING)
def test_node_that_no_fault_concerns_is_set_as_if_all_were_well(lasting: list[str]) -> None:
    plains = words(*lasting)
    for node in FLAT.nodes:
        if not any(node in concerned(plain) for plain in plains):
            assert settings(FLAT, [node], plains) == settings(FLAT, [node], [])


@given(lasting=LASTING)
def test_nothing_is_done_outside_of_the_namespaces_of_the_lab(lasting: list[str]) -> None:
    for one in settings(FLAT, FLAT.nodes, words(*lasting)):
        assert one.node in {"switch", *FLAT.nodes}
