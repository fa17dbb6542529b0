"""Whoever takes the place of a part offers all that it does."""

import inspect

import pytest

from pointsman.vip import parts
from pointsman.vip.dry import DryOwned, DryRoutes, DryServers, DrySettings
from pointsman.vip.link import Link
from pointsman.vip.memory import MemoryIpvs, MemorySettings
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Memory
from pointsman.vip.sysctl import Sysctl


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        (parts.Servers, [Ipvs, MemoryIpvs]),
        (parts.Routes, [Link, DryRoutes]),
        (parts.Rules, [Netfilter]),
        (parts.Settings, [Sysctl, MemorySettings]),
    ],
)
def test_each_takes_what_the_part_takes(part: type, kinds: list[type]) -> None:
    for name, function in inspect.getmembers(part, inspect.isfunction):
        if name.startswith("_"):
            continue
        taken = list(inspect.signature(function).parameters)[1:]
        for kind in kinds:
            assert len(inspect.signature(getattr(kind, name)).parameters) == len(taken) + 1


def test_the_dry_ones_pass_on_what_only_looks() -> None:
    servers, settings = MemoryIpvs(), Sysctl()
    assert DryServers(servers).table() == servers.table()
    assert DrySettings(settings).read([]) == {}
    assert DryOwned(Memory()).memory == Memory()
