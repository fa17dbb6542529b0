"""What stands around virtual servers, on hosts that are not as most are."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pointsman.vip.addresses import parse_range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, VirtualServer
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Report, Wants
from pointsman.vip.sysctl import Sysctl, settings

RANGES = (parse_range("11.0.0.0/8"), parse_range("fd01:c::/64"))
V4, V6 = Key(Protocol.TCP, "11.0.0.1", 80), Key(Protocol.TCP, "fd01:c::1", 80)
TARGETS = {
    V4: Target(VirtualServer(real_servers={Endpoint("10.0.0.3", 80): RealServer()})),
    V6: Target(VirtualServer(real_servers={Endpoint("fd00::3", 80): RealServer()})),
}
CONF = Path("/proc/sys/net/ipv6/conf")


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def routes(family: str) -> str:
    command = ["ip", family, "route", "show", "table", "local", "dev", "pointsman0", "proto", "80"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with ExitStack() as opened:
        yield Kernel(
            opened.enter_context(Ipvs()),
            opened.enter_context(closing(Link("pointsman0", RANGES, {}))),
            Netfilter(RANGES),
            Sysctl(),
            Owned(tmp_path / "owned.json"),
            Wants(RANGES, settings(masquerade=True), forwarding=True),
        )


def follow(kernel: Kernel) -> Report:
    report = kernel.sync(TARGETS, (), 0, whole=True)
    assert (report.failures, report.complaints) == ((), ())
    return report


def test_a_host_whose_ipv6_is_off_serves_its_other_vips(kernel: Kernel) -> None:
    for name in ("all", "default"):
        (CONF / name / "disable_ipv6").write_text("1")
    follow(kernel)
    assert "11.0.0.0/8" in routes("-4")
    assert not routes("-6")
    assert follow(kernel).repaired == 0
    for name in ("all", "default"):
        (CONF / name / "disable_ipv6").write_text("0")
    follow(kernel)
    assert "fd01:c::/64" in routes("-6")


def test_an_interface_that_is_gone_needs_nothing_set_back(kernel: Kernel) -> None:
    ip("link add veth7 type veth peer name veth8")
    (CONF / "veth7/accept_ra").write_text("1")
    (CONF / "veth8/accept_ra").write_text("1")
    before = (CONF / "all/forwarding").read_text()
    follow(kernel)
    assert (CONF / "veth7/accept_ra").read_text() == "2\n"
    ip("link del veth7")
    assert kernel.flush().failures == ()
    assert (CONF / "all/forwarding").read_text() == before
    assert Path("/proc/sys/net/ipv4/vs/conntrack").read_text() == "0\n"


def test_a_set_is_right_however_its_members_are_told() -> None:
    # ipset writes the end of this one as IPv4.
    rules, key = Netfilter(RANGES), Key(Protocol.TCP, "::a00:1", 80)
    rules.ensure([key])
    assert rules.ensure([key]) == 0
