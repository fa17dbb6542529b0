from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.chains import (
    IN,
    JUMPS,
    MARK,
    POST,
    PRE,
    chains,
    filled,
    member,
    restored,
    servers,
)
from pointsman.vip.model import Key, Protocol
from pointsman.vip.paths import COUNT, LOWEST

RULES = chains(4, ["11.0.0.0/8", "10.1.1.1/32"], masquerade=True, guard=True)


def obeyed(lines: Sequence[str], saved: Sequence[str]) -> list[str]:
    """Return what iptables-save tells after iptables-restore -n was told these lines."""
    found = list(saved)
    for line in lines[1:-1]:
        word, rest = line.split(" ", 1)
        if word.startswith(":"):
            found = [x for x in found if not x.startswith((f"-A {word[1:]} ", f"{word} "))]
            found.insert(0, f"{word} {rest}")
        elif word == "-A":
            found.append(line)
        elif word == "-I":
            chain, _, rule = rest.split(" ", 2)
            at = [n for n, x in enumerate(found) if x.startswith(f"-A {chain} ")]
            found.insert(at[0] if at else len(found), f"-A {chain} {rule}")
        elif word == "-D":
            found.remove(f"-A {rest}")
        elif word == "-F":
            found = [x for x in found if not x.startswith(f"-A {rest} ")]
        elif word == "-X":
            assert not [x for x in found if x.endswith(f"-j {rest}")]
            found = [x for x in found if not x.startswith(f":{rest} ")]
    return found


def test_what_others_open_to_vips_is_masqueraded() -> None:
    not_here = "-m addrtype ! --src-type LOCAL -j MASQUERADE"
    assert RULES[POST] == (
        f"-A POINTSMAN-POST ! -d 11.0.0.0/8 -m conntrack --ctorigdst 11.0.0.0/8 {not_here}",
        f"-A POINTSMAN-POST ! -d 10.1.1.1/32 -m conntrack --ctorigdst 10.1.1.1 {not_here}",
    )
    (rule,) = chains(6, ["fd00::1/128"], masquerade=True, guard=False)[POST]
    assert "--ctorigdst fd00::1 " in rule


def test_each_part_may_be_left_out() -> None:
    assert set(chains(4, ["11.0.0.0/8"], masquerade=True, guard=False)) == {POST}
    assert set(chains(4, ["11.0.0.0/8"], masquerade=False, guard=True)) == {PRE, IN}
    assert set(chains(4, [], masquerade=False, guard=False, marks=True)) == {MARK}


@pytest.mark.parametrize("mark", [LOWEST, LOWEST + COUNT - 1, LOWEST - 1, LOWEST + COUNT, 0])
def test_marks_that_end_are_those_of_probes(mark: int) -> None:
    (rule,) = chains(4, [], masquerade=False, guard=False, marks=True)[MARK]
    value, mask = (int(x, 16) for x in rule.split("--mark ")[1].split()[0].split("/"))
    assert (mark & mask == value) == (LOWEST <= mark < LOWEST + COUNT)


@pytest.mark.parametrize("table", ["nat", "filter"])
def test_a_table_without_our_chains_gets_them_before_all_else(table: str) -> None:
    others = [f"-A {source} -j DOCKER" for of, s in JUMPS.values() if of == table for source in s]
    after = obeyed(restored(table, RULES, others), others)
    assert restored(table, RULES, after) == ()
    assert set(others) <= set(after)
    for chain, (of, sources) in JUMPS.items():
        if of == table:
            assert [x for x in after if x.startswith(f"-A {chain} ")] == list(RULES[chain])
            for source in sources:
                assert next(x for x in after if x.startswith(f"-A {source} ")) == (
                    f"-A {source} -j {chain}"
                )


broken = st.lists(
    st.sampled_from([
        "-A PREROUTING -j DOCKER",
        "-A PREROUTING -j POINTSMAN-PRE",
        "-A OUTPUT -j POINTSMAN-PRE",
        "-A POSTROUTING -j POINTSMAN-POST",
        "-A POSTROUTING -j MASQUERADE",
        *RULES[PRE],
        *RULES[POST],
    ]),
    max_size=8,
)  # fmt: skip
DECLARED = [":POINTSMAN-PRE - [0:0]", ":POINTSMAN-POST - [0:0]"]


@given(broken, st.sampled_from([RULES, {}, {POST: RULES[POST]}]))
def test_whatever_somebody_did_it_comes_right_in_one_pass(
    saved: list[str], wanted: dict[str, tuple[str, ...]]
) -> None:
    saved = [*DECLARED, *saved]
    after = obeyed(restored("nat", wanted, saved), saved)
    assert restored("nat", wanted, after) == ()
    foreign = [line for line in saved if "POINTSMAN" not in line]
    assert [line for line in after if "POINTSMAN" not in line] == foreign
    if not wanted:
        assert after == foreign


def test_members_are_addresses_with_protocol_and_port() -> None:
    keys = [
        Key(Protocol.TCP, "11.0.0.1", 80),
        Key(Protocol.UDP, "11.0.0.1", 53),
        Key(Protocol.TCP, "fd01:c::1", 80),
        Key(0, "0.0.0.0", 0, 7),
    ]
    assert servers(4, keys) == {"11.0.0.1,6:80", "11.0.0.1,17:53"}
    assert servers(6, keys) == {"fd01:c::1,6:80"}


def test_a_member_is_told_with_the_protocols_name_or_number() -> None:
    assert member("11.0.0.1,tcp:80") == member("11.0.0.1,6:80") == "11.0.0.1,6:80"
    assert member("fd01:c::1,sctp:80") == "fd01:c::1,132:80"
    assert member("11.0.0.0/8") == "11.0.0.0/8"


def test_a_member_is_the_same_however_its_address_is_told() -> None:
    assert member("::10.0.0.1,tcp:80") == "::a00:1,6:80"
    assert member("::10.0.0.1") == "::a00:1"
    assert member("::10.0.0.0/120") == "::a00:0/120"


def test_a_set_gains_before_it_loses() -> None:
    assert filled("s", frozenset("ab"), frozenset("bc")) == ("add s c", "del s a")
