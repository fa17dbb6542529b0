from pathlib import Path

import pytest

from pointsman.checking import Checking
from pointsman.config import Config, DnsConfig, VipConfig
from pointsman.discovery.errors import Fatal
from pointsman.events import Ring
from pointsman.front import Front
from pointsman.generation import Generation, zone
from pointsman.metrics import Metrics
from pointsman.telling import Telling

CHECKING = Checking(Path("health"), lambda: None)
TELLING = Telling(Ring())


def test_each_configuration_has_its_zones_and_goes_on_counting() -> None:
    front = Front()
    made = Generation(
        Config(dns=DnsConfig(domain="dc1")),
        ["10.0.0.9"],
        ["10.0.0.9"],
        None,
        Metrics(),
        front,
        CHECKING,
        TELLING,
    )
    assert [z.apex for z in made.zones] == [
        "dc1.",
        "l4lb.thisdcos.directory.",
        "thisdcos.directory.",
    ]
    assert not any(z.loaded for z in made.zones)
    assert made.responder.counts is front.counts


def test_a_zone_has_its_nameserver_inside() -> None:
    made = zone("mesos.", 60, ["10.0.0.9", "fd00::9"], 7)
    for type_, data in (("NS", "ns1.mesos."), ("A", "10.0.0.9"), ("AAAA", "fd00::9")):
        found = made.rrset("mesos." if type_ == "NS" else "ns1.mesos.", type_)
        assert found is not None
        assert found.data == (data,)


def served(config: Config, name: str, type_: str = "A") -> tuple[str, ...]:
    made = Generation(
        config, ["10.0.0.9"], ["10.0.0.9"], None, Metrics(), Front(), CHECKING, TELLING
    )
    zone = made.zones.of(name)
    found = zone.rrset(name, type_) if zone else None
    return found.data if found else ()


def test_dcos_names_are_there_as_far_as_they_are_wanted() -> None:
    assert served(Config(), "thisnode.thisdcos.directory.") == ("10.0.0.9",)
    assert served(Config(), "thisnode.thisdcos.global.") == ("10.0.0.9",)
    assert served(Config(), "ns1.mesos.thisdcos.directory.") == ("10.0.0.9",)
    assert served(Config(), "dclb.thisdcos.global.", "NS") == ("ns1.dclb.thisdcos.global.",)
    none = Config(dns=DnsConfig(dcos=()))
    assert served(none, "thisnode.thisdcos.directory.") == ()
    assert served(none, "l4lb.thisdcos.directory.", "NS") != ()
    assert served(Config(vip=VipConfig(enabled=False)), "l4lb.thisdcos.directory.", "NS") == ()
    other = Config(vip=VipConfig(domain="dc1.example"))
    assert served(other, "thisnode.dc1.example.") == ("10.0.0.9",)
    assert served(other, "dclb.dc1.example.", "NS") == ("ns1.dclb.dc1.example.",)
    assert served(other, "thisnode.thisdcos.global.") == ()


def test_records_of_a_file_are_served(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("db A 10.9.9.9\n")
    config = Config(dns=DnsConfig(records_file=str(tmp_path / "records")))
    assert served(config, "db.mesos.") == ("10.9.9.9",)
    (tmp_path / "records").write_text("db A nonsense\n")
    with pytest.raises(Fatal, match=r"records: line 1: 'nonsense' is no data of type A"):
        served(config, "db.mesos.")


def test_a_node_that_moves_is_found_at_its_new_addresses_in_each_zone() -> None:
    config = Config(dns=DnsConfig(reverse=("9.0.0.0/8",)))
    made = Generation(config, [], [], None, Metrics(), Front(), CHECKING, TELLING)
    for addresses in (["10.0.0.9", "fd00::9"], ["10.0.0.8", "fd00::9"], []):
        made.move(addresses)
        made.move(reversed(addresses))  # the same again
        for name in (*(one.soa.mname for one in made.zones), "thisnode.thisdcos.directory."):
            found = [made.zones.rrset(name, type_) for type_ in ("A", "AAAA")]
            assert [host for one in found if one for host in one.data] == addresses


def test_networks_have_reverse_zones() -> None:
    config = Config(dns=DnsConfig(reverse=("9.0.0.0/8",)))
    assert served(config, "9.in-addr.arpa.", "NS") == ("ns1.9.in-addr.arpa.",)
