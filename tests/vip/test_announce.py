import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.errors import Fatal
from pointsman.vip.addresses import Range
from pointsman.vip.announce import (
    CLEAR,
    Attributes,
    Routes,
    Vip,
    attributes,
    bird,
    instructions,
    routes,
)

V4 = Range("11.0.0.0", "11.255.255.255")
V6 = Range("fd01:c::", "fd01:c::ffff:ffff:ffff:ffff")


def vip(ip: str, *weights: int) -> dict[str, Any]:
    backend = [{"ip": "10.0.0.1", "port": n, "weight": w} for n, w in enumerate(weights, 1)]
    return {"vip": "web.marathon.x:80", "ip": ip, "protocol": "tcp", "backend": backend}


def told(*vips: dict[str, Any]) -> list[Vip]:
    return msgspec.json.decode(json.dumps(vips), type=list[Vip])


def test_a_vip_is_announced_while_a_real_server_takes_new_connections() -> None:
    vips = told(vip("11.1.2.3", 0, 1), vip("11.1.2.4", 0, 0), vip("11.1.2.5"), vip("fd01:c::9", 3))
    assert routes(vips, (4, 6)) == {"11.1.2.3/32", "fd01:c::9/128"}


def test_one_live_port_of_an_address_is_enough() -> None:
    assert routes(told(vip("11.1.2.3", 0), vip("11.1.2.3", 1)), (4, 6)) == {"11.1.2.3/32"}


def test_a_family_is_left_out() -> None:
    vips = told(vip("11.1.2.3", 1), vip("fd01:c::9", 1))
    assert routes(vips, (4,)) == {"11.1.2.3/32"}
    assert routes(vips, (6,), (V4, V6)) == {"fd01:c::/64"}


def test_whole_ranges_stand_for_their_vips_and_others_for_themselves() -> None:
    vips = told(vip("11.1.2.3", 1), vip("10.9.9.9", 1), vip("10.9.9.8", 0))
    assert routes(vips, (4, 6), (V4, V6)) == {"11.0.0.0/8", "fd01:c::/64", "10.9.9.9/32"}
    assert routes((), (4,), (Range("11.0.0.1", "11.0.0.4"),)) == {
        "11.0.0.1/32",
        "11.0.0.2/31",
        "11.0.0.4/32",
    }


def test_exabgp_is_told_what_changed_in_order() -> None:
    before = frozenset({"11.0.0.1/32", "11.0.0.9/32"})
    after = frozenset({"11.0.0.9/32", "11.0.0.10/32", "11.0.0.2/32", "fd01:c::9/128"})
    assert instructions(before, after, Attributes()) == [
        "withdraw route 11.0.0.1/32 next-hop self",
        "announce route 11.0.0.2/32 next-hop self",
        "announce route 11.0.0.10/32 next-hop self",
        "announce route fd01:c::9/128 next-hop self",
    ]
    assert instructions(after, after, Attributes()) == []


def test_what_exabgp_was_told_by_a_process_before_is_cleared_first() -> None:
    assert instructions(None, frozenset({"11.0.0.1/32"}), Attributes()) == [
        CLEAR,
        "announce route 11.0.0.1/32 next-hop self",
    ]
    assert instructions(None, frozenset(), Attributes()) == [CLEAR]


def test_attributes_are_those_of_exabgp() -> None:
    said = attributes(["10.0.0.7", "FD00::7"], ["65000:100", "4200000000:1:2", "no-export"], 20)
    rest = "med 20 community [65000:100 no-export] large-community [4200000000:1:2]"
    assert instructions(frozenset(), frozenset({"11.0.0.1/32", "fd01:c::9/128"}), said) == [
        f"announce route 11.0.0.1/32 next-hop 10.0.0.7 {rest}",
        f"announce route fd01:c::9/128 next-hop fd00::7 {rest}",
    ]


def test_ipv6_needs_a_next_hop_of_its_own() -> None:
    assert attributes([], [], None).families == (4,)
    assert attributes(["self"], [], None).families == (4,)
    assert attributes(["self", "fd00::7"], [], None).families == (4, 6)


@pytest.mark.parametrize(
    ("hops", "communities", "med", "why"),
    [
        (["me"], [], None, "--next-hop: 'me' is neither"),
        ([], ["65000"], None, "--community: '65000' is not"),
        ([], ["1:2]\nannounce"], None, "--community"),
        ([], [], -1, "--med: -1"),
        ([], [], 1 << 32, "--med"),
    ],
)
def test_an_attribute_that_makes_no_sense_is_refused(
    hops: list[str], communities: list[str], med: int | None, why: str
) -> None:
    with pytest.raises(Fatal, match=why):
        attributes(hops, communities, med)


def test_bird_has_a_protocol_for_each_family_even_without_routes() -> None:
    head = "# By pointsman announce; changes here are lost.\n"
    assert bird(frozenset({"11.1.2.3/32", "11.0.0.9/32", "fd01:c::9/128"})) == head + (
        "protocol static pointsman4 {\n"
        "  ipv4;\n"
        "  route 11.0.0.9/32 unreachable;\n"
        "  route 11.1.2.3/32 unreachable;\n"
        "}\n"
        "protocol static pointsman6 {\n"
        "  ipv6;\n"
        "  route fd01:c::9/128 unreachable;\n"
        "}\n"
    )
    assert bird(frozenset()) == head + (
        "protocol static pointsman4 {\n  ipv4;\n}\nprotocol static pointsman6 {\n  ipv6;\n}\n"
    )


SETS = st.frozensets(st.integers(0, 9).map(lambda n: f"11.0.0.{n}/32"))


@given(st.lists(SETS, min_size=1))
def test_whoever_follows_the_instructions_has_the_routes(steps: list[Routes]) -> None:
    there = {"11.99.0.0/16"}
    before: Routes | None = None
    for after in steps:
        for line in instructions(before, after, Attributes()):
            words = line.split()
            if line == CLEAR:
                there.clear()
            elif words[0] == "announce":
                there.add(words[2])
            else:
                there.remove(words[2])
        assert there == after
        before = after
