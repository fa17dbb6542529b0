"""The kernel's listing says of any table that it is that one, and of no other."""

import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pointsman.vip.diff import diff
from pointsman.vip.listing import Listing, read
from pointsman.vip.model import (
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    Settings,
    Table,
    VirtualServer,
)
from pointsman.vip.netlink import Ipvs

V4, UDP = Key(Protocol.TCP, "11.1.2.3", 80), Key(Protocol.UDP, "11.1.2.3", 80)
V6, SCTP = Key(Protocol.TCP, "fd01:c::1", 8080), Key(Protocol.SCTP, "11.1.2.4", 80)
FOUR = [Endpoint(f"10.0.0.{n}", 31000) for n in (1, 2, 3)]
SIX = [Endpoint(f"fd00::{n}", 31000) for n in (1, 2, 3)]

reals = st.builds(
    RealServer,
    st.sampled_from([0, 1, 100, 1_000_000]),
    st.sampled_from([Forwarding.MASQUERADE, Forwarding.TUNNEL, Forwarding.DIRECT]),
)
settings_ = st.builds(Settings, st.sampled_from(["wlc", "rr", "mh"]), st.sampled_from([0, 0x18]))


def servers(endpoints: list[Endpoint]) -> st.SearchStrategy[VirtualServer]:
    chosen = st.dictionaries(st.sampled_from(endpoints), reals, max_size=3)
    ordered = chosen.map(lambda found: dict(sorted(found.items())))
    return st.builds(VirtualServer, settings_, ordered)


tables = st.fixed_dictionaries(
    {}, optional={V4: servers(FOUR), UDP: servers(FOUR), SCTP: servers(FOUR), V6: servers(SIX)}
)


@pytest.fixture
def kernel() -> Iterator[Ipvs]:
    with Ipvs() as ipvs:
        yield ipvs


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(there=tables, other=tables)
def test_it_is_of_the_table_there_is_and_of_no_other(
    kernel: Ipvs, there: Table, other: Table
) -> None:
    kernel.flush()
    assert kernel.apply(diff({}, there, lambda _: True)) == ()
    assert kernel.holds(there)
    assume(there != other)
    assert not kernel.holds(other)


@pytest.mark.parametrize(
    "command",
    [
        "-C",
        "-E -t 11.1.2.3:80 -s rr",
        "-E -t 11.1.2.3:80 -s wlc -p 60",
        "-e -t 11.1.2.3:80 -r 10.0.0.1:31000 -m -w 9",
        "-e -t 11.1.2.3:80 -r 10.0.0.1:31000 -m -w 0",
        "-d -t 11.1.2.3:80 -r 10.0.0.1:31000",
        "-a -t 11.1.2.3:80 -r 10.0.0.9:31000 -m",
        "-A -t 192.0.2.1:80",
        "-A -f 7",
    ],
)
def test_whatever_somebody_changes_it_shows(kernel: Ipvs, command: str) -> None:
    table = {V4: VirtualServer(Settings(), dict.fromkeys(FOUR, RealServer()))}
    kernel.apply(diff({}, table, lambda _: True))
    assert kernel.holds(table)
    subprocess.run(["ipvsadm", *command.split()], check=True)
    assert not kernel.holds(table)


def test_under_mh_another_order_is_another_table(kernel: Ipvs) -> None:
    table = {V4: VirtualServer(Settings("mh"), dict.fromkeys(FOUR, RealServer()))}
    other = {V4: VirtualServer(Settings("mh"), dict.fromkeys(FOUR[::-1], RealServer()))}
    kernel.apply(diff({}, table, lambda _: True))
    assert kernel.holds(table)
    assert not kernel.holds(other)


def test_without_a_listing_nothing_is_known() -> None:
    assert not Listing().lists(b"", {V4: VirtualServer()})
    assert read()
