import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pointlab.site import netns
from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import parse_range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, VirtualServer
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl

RANGES = (parse_range("11.0.0.0-11.255.255.255"), parse_range("fd01:c::/64"))


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def node() -> None:
    """Give the namespace an interface with the addresses of a node."""
    ip("link add eth0 type dummy")
    ip("link set eth0 up")
    ip("address add 10.0.0.9/24 dev eth0")
    ip("-6 address add fd00::9/64 dev eth0 nodad")


def routes(family: str = "-4") -> list[str]:
    """Return our routes as `ip route` tells them."""
    shown = subprocess.run(
        ["ip", family, "route", "show", "table", "local", "proto", "80"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(" ".join(line.split()) for line in shown.stdout.splitlines())


@pytest.fixture
def link() -> Iterator[Callable[..., Link]]:
    """Give links over the namespace, each as a process of its own would have it."""
    with ExitStack() as opened:

        def make(v4: str = "10.0.0.9") -> Link:
            return opened.enter_context(closing(Link("pointsman0", RANGES, {4: v4})))

        node()
        yield make


def test_one_route_covers_a_range_and_others_get_their_own(link: Callable[..., Link]) -> None:
    ours = link()
    assert ours.sync(["10.9.9.9", "fd99::1"]) == 5  # the link and four routes
    assert routes() == [
        "local 10.9.9.9 dev pointsman0 scope host src 10.0.0.9",
        "local 11.0.0.0/8 dev pointsman0 scope host src 10.0.0.9",
    ]
    assert [line.split(" metric")[0] for line in routes("-6")] == [
        "local fd01:c::/64 dev pointsman0",
        "local fd99::1 dev pointsman0",
    ]


def test_kube_router_376_a_local_client_speaks_from_the_nodes_address(
    link: Callable[..., Link],
) -> None:
    link().sync([])
    got = subprocess.run(
        ["ip", "route", "get", "11.5.5.5"], capture_output=True, text=True, check=True
    )
    assert "src 10.0.0.9" in got.stdout


def test_a_second_pass_changes_nothing(link: Callable[..., Link]) -> None:
    link().sync(["10.9.9.9"])
    assert link().sync(["10.9.9.9"]) == 0


def test_dcos_oss_1790_what_somebody_removed_comes_back(link: Callable[..., Link]) -> None:
    ours = link()
    ours.sync([])
    ip("route del local 11.0.0.0/8 table local")
    ip("link set pointsman0 down")
    assert ours.sync([]) >= 2
    assert len(routes()) == 1
    ip("link del pointsman0")
    assert ours.sync([]) == 3


def test_an_address_that_is_not_wanted_any_more_goes(link: Callable[..., Link]) -> None:
    ours = link()
    ours.sync(["10.9.9.9"])
    assert ours.sync([]) == 1
    assert len(routes()) == 1


def test_a_new_node_address_moves_the_routes(link: Callable[..., Link]) -> None:
    link().sync([])
    ip("address add 10.0.0.10/24 dev eth0")
    link(v4="10.0.0.10").sync([])
    assert routes() == ["local 11.0.0.0/8 dev pointsman0 scope host src 10.0.0.10"]


def test_routes_of_others_stay(link: Callable[..., Link]) -> None:
    ours = link()
    ours.sync([])
    subprocess.run(
        ["ip", "route", "add", "local", "10.5.5.5", "dev", "pointsman0", "table", "local"],
        check=True,
    )
    assert ours.sync([]) == 0
    shown = subprocess.run(
        ["ip", "route", "show", "table", "local"], capture_output=True, text=True, check=True
    )
    assert "local 10.5.5.5 dev pointsman0" in shown.stdout


def test_removing_leaves_nothing(link: Callable[..., Link]) -> None:
    ours = link()
    ours.sync(["10.9.9.9"])
    assert ours.remove() == 4
    assert ours.remove() == 0
    assert routes() == routes("-6") == []


def test_a_socket_that_fails_is_transient_and_the_next_use_opens_another(
    link: Callable[..., Link],
) -> None:
    one = link()
    one.sync([])
    descriptor = one._netlink.fileno()
    with socket.socket() as other:
        os.dup2(other.fileno(), descriptor)  # one that is no netlink socket
        with pytest.raises(Transient, match="the routes of VIPs on pointsman0 can't be set"):
            one.sync([])
    assert one.sync([]) == 0


def test_real_servers_are_taken_in_a_namespace_whose_loopback_was_never_up(tmp_path: Path) -> None:
    # The kernel looks their addresses up in a table of local ones, which is not there yet.
    ip("netns add raw")
    key = Key(Protocol.TCP, "11.0.0.1", 80)
    target = Target(VirtualServer(real_servers={Endpoint("10.0.0.3", 80): RealServer()}))
    try:
        with netns.inside("raw"), ExitStack() as opened:
            servers = opened.enter_context(Ipvs())
            raw = opened.enter_context(closing(Link("pointsman0", RANGES, {})))
            owned = Owned(tmp_path / "owned.json")
            kernel = Kernel(servers, raw, None, Sysctl(), owned, Wants(RANGES))
            assert kernel.sync({key: target}, (), 0).failures == ()
    finally:
        ip("netns delete raw")
