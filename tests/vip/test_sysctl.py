from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.vip.sysctl import Sysctl, settings

NAME = "net.ipv4.vs.conntrack"


def setting(root: Path, value: str) -> Path:
    path = root / "net/ipv4/vs/conntrack"
    path.parent.mkdir(parents=True)
    path.write_text(f"{value}\n")
    return path


def test_what_differs_is_written_and_its_old_value_told(tmp_path: Path) -> None:
    path = setting(tmp_path, "0")
    assert Sysctl(tmp_path).ensure({NAME: "1"}) == {NAME: "0"}
    assert path.read_text() == "1"
    assert Sysctl(tmp_path).ensure({NAME: "1"}) == {}


def test_what_is_equal_is_not_written(tmp_path: Path) -> None:
    path = setting(tmp_path, "1")
    before = path.stat().st_mtime_ns
    Sysctl(tmp_path).ensure({NAME: "1"})
    assert path.stat().st_mtime_ns == before


def test_a_setting_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"vs\.conntrack can't be set to 1: No such file"):
        Sysctl(tmp_path).ensure({NAME: "1"})


def test_one_that_cannot_be_set_holds_up_no_other(tmp_path: Path) -> None:
    path = setting(tmp_path, "0")
    with pytest.raises(Transient, match=r"a can.t be set to 1.*; sysctl b can.t be set to 2"):
        Sysctl(tmp_path).ensure({"a": "1", NAME: "1", "b": "2"})
    assert path.read_text() == "1"


def test_what_is_there_is_read(tmp_path: Path) -> None:
    setting(tmp_path, "1")
    assert Sysctl(tmp_path).read([NAME, "net.ipv4.vs.nothing"]) == {NAME: "1"}


def test_connections_are_tracked_only_where_they_are_to_be_masqueraded() -> None:
    assert NAME in settings(masquerade=True)
    assert NAME not in settings(masquerade=False)
    assert settings(masquerade=False)["net.ipv4.vs.expire_nodest_conn"] == "1"


def test_interfaces_that_hear_routers_go_on_when_packets_are_forwarded(tmp_path: Path) -> None:
    for interface, value in (("eth0.5", "1"), ("eth1", "0"), ("all", "1"), ("lo", "1")):
        path = tmp_path / f"net/ipv6/conf/{interface}/accept_ra"
        path.parent.mkdir(parents=True)
        path.write_text(value)
    (tmp_path / "net/ipv6/conf/all/forwarding").write_text("0")
    found = Sysctl(tmp_path).forwarding6()
    assert list(found.items()) == [
        ("net/ipv6/conf/eth0.5/accept_ra", "2"),
        ("net.ipv6.conf.all.forwarding", "1"),
    ]
    assert Sysctl(tmp_path).ensure(found) == {
        "net/ipv6/conf/eth0.5/accept_ra": "1",
        "net.ipv6.conf.all.forwarding": "0",
    }
    assert (tmp_path / "net/ipv6/conf/eth0.5/accept_ra").read_text() == "2"
