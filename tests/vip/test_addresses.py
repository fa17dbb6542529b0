from collections.abc import Iterable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.addresses import Assigned, Range, parse_range, preferred

SMALL = Range("11.0.0.0", "11.0.0.254")


def assign(names: Iterable[str], range_: Range) -> dict[str, str]:
    """Return the addresses of those that have one."""
    assigned, _ = Assigned(range_).update((), names)
    return {name: address for name in names if (address := assigned.address(name))}


def test_a_range_is_two_addresses_or_a_prefix() -> None:
    assert parse_range("11.0.0.0-11.0.0.254") == SMALL
    assert parse_range("11.0.0.0/8") == Range("11.0.0.0", "11.255.255.255")
    assert parse_range("fd01:c::/64").family == 6


@pytest.mark.parametrize(
    "text", ["", "11.0.0.0", "11.0.0.2-11.0.0.1", "11.0.0.1/8", "11.0.0.1-fd00::1", "11.0.0.1/32"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_range(text)


def test_a_range_knows_its_addresses_and_prefixes() -> None:
    assert "11.0.0.254" in SMALL
    assert "11.0.0.255" not in SMALL
    assert "::1" not in SMALL
    assert parse_range("11.0.0.0-11.255.255.255").networks == ("11.0.0.0/8",)
    assert Range("11.0.0.0", "11.0.0.2").networks == ("11.0.0.0/31", "11.0.0.2/32")


@pytest.mark.parametrize(
    ("name", "range_", "address"),
    [
        ("foo.bar", SMALL, "11.0.0.37"),
        ("baz.qux", SMALL, "11.0.0.39"),
        ("qux.ipv6", parse_range("fd01:c::/64"), "fd01:c::6d6d:9c64:fd19:f251"),
    ],
)
def test_a_name_has_the_address_that_dcos_gave_it(name: str, range_: Range, address: str) -> None:
    assert assign([name], range_) == {name: address}


def test_of_colliding_names_the_first_in_order_stays_and_the_others_move_on() -> None:
    two = Range("11.0.0.0", "11.0.0.1")  # one preferred address for all
    assert assign(["b", "a", "c"], two) == {"a": "11.0.0.0", "b": "11.0.0.1"}


def test_after_the_highest_address_comes_the_lowest() -> None:
    three = Range("11.0.0.0", "11.0.0.2")
    names = [f"n{i}" for i in range(9)]
    assert sorted(assign(names, three).values()) == ["11.0.0.0", "11.0.0.1", "11.0.0.2"]


names = st.sets(st.text("abc", min_size=1, max_size=3), max_size=30)
ranges = st.sampled_from([SMALL, Range("11.0.0.0", "11.0.0.9"), Range("fd01:c::", "fd01:c::9")])


def by_the_rule(names: Iterable[str], range_: Range) -> dict[str, int]:
    """Return numbers by the rule's own words, in its simplest form."""
    lowest, highest = range_.bounds
    found: dict[str, int] = {}
    for name in sorted(names):
        if preferred(name, range_) not in found.values():
            found[name] = preferred(name, range_)
    for name in sorted(names):
        at = preferred(name, range_)
        while name not in found and len(found) <= highest - lowest:
            if at not in found.values():
                found[name] = at
            at = at + 1 if at < highest else lowest
    return found


@given(st.lists(st.tuples(names, names), max_size=4), ranges)
def test_addresses_depend_on_the_set_of_names_alone(
    steps: list[tuple[set[str], set[str]]], range_: Range
) -> None:
    assigned, there = Assigned(range_), set[str]()
    for removed, added in steps:
        before = {name: assigned.address(name) for name in there | added}
        assigned, moved = assigned.update(removed, added)
        there = there - removed | added
        expected = by_the_rule(there, range_)
        for name in there | removed:
            address = assigned.address(name)
            assert bool(address) == (name in expected)
            if address:
                assert int(ip_address(address)) == expected[name]
                assert assigned.holder(address) == name
        assert set(assigned.missing) == there - expected.keys()
        assert moved == {
            name
            for name in before.keys() | there | removed
            if before.get(name, "") != assigned.address(name)
        }


@given(names, ranges)
def test_no_address_is_given_twice_and_none_is_withheld(given_: set[str], range_: Range) -> None:
    assigned = assign(given_, range_)
    assert (
        len(set(assigned.values()))
        == len(assigned)
        == min(len(given_), range_.bounds[1] - range_.bounds[0] + 1)
    )
    assert all(address in range_ for address in assigned.values())


@given(names, st.text("xyz", min_size=1, max_size=3))
def test_a_new_name_moves_no_name_that_has_the_address_it_prefers(
    given_: set[str], new: str
) -> None:
    # It may take the place only of a name that had to give way already, or that shares its wish.
    before, after = assign(given_, SMALL), assign(given_ | {new}, SMALL)
    alone = {name: assign([name], SMALL)[name] for name in given_ | {new}}
    for name in given_:
        if before[name] == alone[name] and alone[new] != alone[name]:
            assert after[name] == before[name]
