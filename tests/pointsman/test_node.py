from collections.abc import Callable

import msgspec
import pytest

from pointsman.config import Config, DiscoveryConfig, DnsConfig, VipConfig
from pointsman.discovery.errors import Fatal
from pointsman.node import addresses, facing, nameservers, open_kernel

CONFIG = Config(discovery=DiscoveryConfig(masters=("127.0.0.1:5050",)))


def config(*listen: str, node_address: str = "") -> Config:
    return msgspec.structs.replace(
        CONFIG, dns=DnsConfig(listen=listen), vip=VipConfig(node_address=node_address)
    )


def test_the_own_address_is_the_one_that_faces_the_masters() -> None:
    assert facing(["127.0.0.9:5050"], 4) == "127.0.0.1"
    assert facing(["[::1]:5050"], 4) == ""
    assert facing([], 4) == ""
    assert addresses(CONFIG)[4] == "127.0.0.1"


def test_a_configured_address_counts_for_its_family() -> None:
    assert addresses(config(node_address="10.0.0.9"))[4] == "10.0.0.9"
    found = addresses(config(node_address="fd00::9"))
    assert (found[4], found[6]) == ("127.0.0.1", "fd00::9")


def test_a_range_with_the_address_of_this_node_is_refused() -> None:
    # All of it would be local: the node would reach none of its neighbours.
    vip = VipConfig(node_address="10.0.0.9", ipv4_range="10.0.0.0/8")
    config = msgspec.structs.replace(CONFIG, vip=vip)
    why = (
        r"vip\.ipv4_range: 10\.0\.0\.0-10\.255\.255\.255 has the address of this node, 10\.0\.0\.9"
    )
    with pytest.raises(Fatal, match=why), open_kernel(config):
        pass


def test_the_nameserver_is_found_where_it_listens() -> None:
    assert nameservers(config("10.0.0.9:53", "[fd00::9]:53")) == ("10.0.0.9", "fd00::9")
    assert nameservers(config("0.0.0.0:53", node_address="10.0.0.9")) == ("10.0.0.9",)


def test_of_an_interface_it_is_what_others_may_know(eth0: Callable[[str], None]) -> None:
    assert nameservers(config("eth0:53")) == ()
    eth0("addr add 10.9.0.1/24 dev eth0")
    eth0("addr add fd09::1/64 dev eth0 nodad")
    eth0("addr add fd09::2/64 dev eth0 nodad preferred_lft 0")
    eth0("addr add fe80::9/64 dev eth0 nodad")
    assert nameservers(config("eth0:53", "10.9.0.1:53", "[fe80::9%eth0]:53")) == (
        "10.9.0.1",
        "fd09::1",
    )
