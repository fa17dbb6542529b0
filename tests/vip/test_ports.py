import pytest

from pointsman.discovery.model import PortMapping
from pointsman.testing import discovery, labels, port, task
from pointsman.vip.labels import Label
from pointsman.vip.model import Protocol
from pointsman.vip.ports import Asked, TaskPort, on_host_network, task_ports

TCP, UDP = Protocol.TCP, Protocol.UDP
WEB = Asked(Label("web", "", 80))
OVERLAY = ("9.0.2.5",)


def test_a_discovery_port_on_the_host_network() -> None:
    web = task(discovery=discovery("web", port(31000, "http", VIP_0="/web:80")))
    assert task_ports(web) == ((TaskPort(TCP, 31000, 0, (WEB,)),), ())


def test_every_label_that_starts_with_vip_is_one() -> None:
    web = task(discovery=discovery("web", port(31000, VIP_0="/web:80", vip_foo="/www:8080", V="x")))
    (found,), _ = task_ports(web)
    assert found.vips == (WEB, Asked(Label("www", "", 8080)))


def test_network_scope_host_is_a_host_port() -> None:
    listed = discovery("web", port(31000, VIP_0="/web:80", **{"network-scope": "host"}))
    web = task(addresses=OVERLAY, discovery=listed)
    assert task_ports(web)[0] == (TaskPort(TCP, 0, 31000, (WEB,)),)


def test_network_scope_container_meets_its_port_mapping() -> None:
    listed = discovery("web", port(80, VIP_0="/web:80", **{"network-scope": "container"}))
    web = task(addresses=OVERLAY, discovery=listed, mappings=(PortMapping(31000, 80),))
    assert task_ports(web)[0] == (TaskPort(TCP, 80, 31000, (WEB,)),)


@pytest.mark.parametrize("mapping", [PortMapping(31000, 65_536), PortMapping(-1, 80)])
def test_a_mapping_of_what_is_no_port_is_left_out_with_a_note(mapping: PortMapping) -> None:
    listed = discovery("web", port(31000, VIP_0="/web:80", **{"network-scope": "host"}))
    found, notes = task_ports(task(addresses=OVERLAY, discovery=listed, mappings=(mapping,)))
    assert found == (TaskPort(TCP, 0, 31000, (WEB,)),)
    assert "no port" in notes[0].why


def test_an_unknown_network_scope_is_left_out_with_a_note() -> None:
    listed = discovery("web", port(80, VIP_0="/web:80", **{"network-scope": "moon"}))
    found, notes = task_ports(task(discovery=listed))
    assert found == ()
    assert "moon" in notes[0].why


def test_dcos_oss_4395_tcp_and_udp_of_one_port_stay_apart() -> None:
    listed = discovery("dns", port(53, "dns", "tcp,udp", VIP_0="/dns:53"))
    found, _ = task_ports(task(discovery=listed))
    assert [(p.protocol, p.port) for p in found] == [(TCP, 53), (UDP, 53)]


def test_the_oldest_label_picks_a_host_port_by_index() -> None:
    web = task(ports=(31000, 31001), labels=labels(VIP_PORT1="tcp://web:80"))
    assert task_ports(web)[0] == (TaskPort(TCP, 31001, 0, (WEB,)),)


def test_an_index_without_a_host_port_is_noted() -> None:
    found, notes = task_ports(task(ports=(31000,), labels=labels(VIP_PORT1="tcp://web:80")))
    assert found == ()
    assert "VIP_PORT1" in notes[0].why


def test_a_label_of_the_task_that_only_looks_like_one_is_nobodys() -> None:
    assert task_ports(task(ports=(31000,), labels=labels(VIP_0="/web:80"))) == ((), ())


def test_one_bad_label_leaves_the_others() -> None:
    web = task(discovery=discovery("web", port(31000, VIP_0="nonsense", VIP_1="/web:80")))
    (found,), notes = task_ports(web)
    assert found.vips == (WEB,)
    (note,) = notes
    assert str(note) == (
        "task web.1 of marathon: port 31000: label VIP_0: 'nonsense' is not NAME:PORT or "
        "ADDRESS:PORT"
    )


def test_a_protocol_that_ipvs_does_not_know_is_noted_only_with_a_vip() -> None:
    assert task_ports(task(discovery=discovery("x", port(1, protocol="icmp")))) == ((), ())
    _, notes = task_ports(task(discovery=discovery("x", port(1, protocol="icmp", VIP_0="/x:1"))))
    assert "icmp" in notes[0].why


def test_port_zero_is_no_port() -> None:
    assert task_ports(task(discovery=discovery("x", port(0))))[0] == ()


def test_the_host_network_is_the_agents_address() -> None:
    assert on_host_network(task())
    assert on_host_network(task(addresses=()))
    assert not on_host_network(task(addresses=OVERLAY))


def test_options_stand_beside_the_label_they_are_of() -> None:
    listed = port(31000, VIP_0="/web:80", VIP_0_SCHEDULER="rr", vip_1="/www:80", vip_1_drain="5")
    (found,), notes = task_ports(task(discovery=discovery("web", listed)))
    assert notes == ()
    assert found.vips == (
        Asked(Label("web", "", 80), (("flags", 0), ("scheduler", "rr"))),
        Asked(Label("www", "", 80), (("drain", 5.0),)),
    )


def test_options_of_the_oldest_label() -> None:
    web = task(ports=(31000,), labels=labels(VIP_PORT0="tcp://web:80", VIP_PORT0_WEIGHT="7"))
    (found,), _ = task_ports(web)
    assert found.vips == (Asked(Label("web", "", 80), (("weight", 7),)),)


def test_a_bad_option_is_noted_and_the_others_hold() -> None:
    listed = port(31000, VIP_0="/web:80", VIP_0_PANIC="lots", VIP_0_WEIGHT="2")
    (found,), (note,) = task_ports(task(discovery=discovery("web", listed)))
    assert found.vips == (Asked(Label("web", "", 80), (("weight", 2),)),)
    assert str(note) == (
        "task web.1 of marathon: port 31000: label VIP_0_PANIC: 'lots' is not a percentage "
        "(0 to 100)"
    )


def test_an_option_of_no_vip_is_a_bad_label() -> None:
    listed = port(31000, VIP_0="/web:80", VIP_7_WEIGHT="2")
    _, (note,) = task_ports(task(discovery=discovery("web", listed)))
    assert "VIP_7_WEIGHT" in note.why


def test_how_a_vip_is_checked_stands_beside_it() -> None:
    listed = port(
        31000,
        VIP_0="/web:80",
        VIP_0_HEALTHCHECK="http /up",
        vip_1="/www:80",
        vip_1_healthcheck="tcp",
    )
    (found,), notes = task_ports(task(discovery=discovery("web", listed)))
    assert [one.check for one in found.vips] == ["http /up", "tcp"]
    assert notes == ()
    oldest = labels(VIP_PORT0="tcp://web:80", VIP_PORT0_HEALTHCHECK="tcp")
    (found,), _ = task_ports(task(ports=(31000,), labels=oldest))
    assert [one.check for one in found.vips] == ["tcp"]


def test_of_a_vip_that_is_asked_for_twice_what_says_how_it_is_checked_counts() -> None:
    two = discovery(
        "web", port(31000, VIP_0="/web:80"), port(31000, VIP_0="/web:80", VIP_0_HEALTHCHECK="tcp")
    )
    (found,), _ = task_ports(task(discovery=two))
    assert [one.check for one in found.vips] == ["tcp"]
