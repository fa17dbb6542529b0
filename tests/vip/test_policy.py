import pytest

from pointsman.vip.model import Forwarding, Protocol, RealServer, Settings
from pointsman.vip.policy import OPTIONS, Defaults, Policy, agreed, apply, possible, read

UDP, TCP = Protocol.UDP, Protocol.TCP


def said(**options: str) -> Defaults:
    """Return the defaults with options in their place."""
    found = [pair for name, value in options.items() for pair in read(name, value)]
    return apply(Defaults(), tuple(sorted(found)))


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("scheduler", "rr", Policy("rr")),
        ("scheduler", "mh, mh-port,mh-fallback", Policy("mh", 0x18)),
        ("persistence", "300", Policy(persistence=300)),
        ("persistence", "300/24", Policy(persistence=300, group=24)),
        ("drain", "2.5", Policy(drain=2.5)),
        ("slow_start", "10", Policy(slow_start=10)),
        ("no_live", "refuse", Policy(no_live="refuse")),
        ("panic", "50%", Policy(panic=50)),
        ("recover", "0.5", Policy(recover=0.5)),
        ("max_ejected", "30%", Policy(max_ejected=30)),
        ("locality", "zone:3", Policy(locality="zone", near=3)),
    ],
)
def test_an_option_of_a_virtual_server(option: str, value: str, expected: Policy) -> None:
    assert said(**{option: value}) == Defaults(expected)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("weight", "5", RealServer(5)),
        ("thresholds", "100", RealServer(upper=100)),
        ("thresholds", "100:80", RealServer(upper=100, lower=80)),
        ("forwarding", "direct", RealServer(forwarding=Forwarding.DIRECT)),
        ("forwarding", "tunnel", RealServer(forwarding=Forwarding.TUNNEL)),
        ("forwarding", "tunnel:gre", RealServer(forwarding=Forwarding.TUNNEL, tunnel_type=2)),
        (
            "forwarding",
            "tunnel:gue:6080",
            RealServer(forwarding=Forwarding.TUNNEL, tunnel_type=1, tunnel_port=6080),
        ),
    ],
)
def test_an_option_of_a_real_server(option: str, value: str, expected: RealServer) -> None:
    assert said(**{option: value}) == Defaults(Policy(), expected)


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("scheduler", "best", "'best' is no scheduler; there are rr"),
        ("scheduler", "rr,fast", "'fast' is no flag"),
        ("persistence", "5m", "'5m' is not a number of seconds"),
        ("persistence", "300/0", "'0' is not a prefix length"),
        ("weight", "-1", "'-1' is not a weight"),
        ("thresholds", "5:9", "the lower threshold 9 is above"),
        ("forwarding", "nat", "'nat' is none of masquerade, direct, tunnel"),
        ("forwarding", "tunnel:gue", "tunnel:gue:PORT"),
        ("forwarding", "direct:1", "none of"),
        ("drain", "soon", "not a number of seconds"),
        ("drain", "nan", "not a number of seconds"),
        ("no_live", "shut", "'shut' is none of open, refuse"),
        ("panic", "101", "percentage"),
        ("recover", "at once", "not a number of seconds"),
        ("max_ejected", "all", "percentage"),
        ("locality", "rack", "'rack' is none of none, host, zone, region"),
        ("locality", "zone:0", "number of real servers"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_a_reason(
    option: str, value: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        read(option, value)


def test_every_option_is_tried_above() -> None:
    assert set(OPTIONS) == {
        "scheduler", "persistence", "forwarding", "weight", "thresholds", "drain", "slow_start",
        "no_live", "panic", "recover", "max_ejected", "locality",
    }  # fmt: skip


def test_persistence_sets_the_flag_that_the_kernel_knows_it_by() -> None:
    assert Policy(persistence=60, group=24).settings(4) == Settings("wlc", 1, 60, 24)
    assert Policy("sh", 0x10).settings(4) == Settings("sh", 0x10)


@pytest.mark.parametrize(
    ("group", "family", "expected"), [(64, 6, 64), (64, 4, 0), (32, 4, 0), (32, 6, 32), (128, 6, 0)]
)
def test_a_group_that_is_no_network_of_its_family_is_a_single_address(
    group: int, family: int, expected: int
) -> None:
    assert Policy(persistence=60, group=group).settings(family).netmask == expected


def test_forwarding_that_keeps_the_port_needs_one_port() -> None:
    direct = said(forwarding="direct", weight="3")
    assert possible(direct, TCP, 80, 80) == (direct, "")
    assert possible(direct, TCP, 80, 31000) == (
        said(weight="3"),
        "forwarding direct can't lead port 80 to port 31000",
    )


def test_one_packet_scheduling_is_for_udp_whose_replies_go_another_way() -> None:
    ops = said(scheduler="rr,ops")
    assert possible(ops, TCP, 53, 53)[1] == "ops is for udp"
    assert "replies get lost" in possible(ops, UDP, 53, 53)[1]
    direct = said(scheduler="rr,ops", forwarding="direct")
    assert possible(direct, UDP, 53, 53) == (direct, "")
    both, _ = possible(direct, UDP, 53, 5353)
    assert both == said(scheduler="rr")


def test_tasks_that_disagree_follow_most_and_else_the_first_in_order() -> None:
    rr, wlc = Policy("rr"), Policy("wlc")
    assert agreed([rr, wlc, wlc]) == wlc
    assert agreed([wlc, rr]) == agreed([rr, wlc]) == rr
