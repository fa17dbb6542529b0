"""Rules and sets in this machine's own kernel; tests/kernel proves what they do."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import parse_range
from pointsman.vip.model import Key, Protocol
from pointsman.vip.netfilter import Netfilter

pytestmark = pytest.mark.usefixtures("network")

RANGES = (parse_range("11.0.0.0/8"), parse_range("fd01:c::/64"))
VIP = Key(Protocol.TCP, "11.0.0.1", 80)
VIP6 = Key(Protocol.UDP, "fd01:c::1", 53)
SINGLE = Key(Protocol.SCTP, "192.0.2.7", 80)
"""A VIP of an address outside of the ranges."""


def run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def told(*words: str) -> list[str]:
    """Return what a command tells, without comments and counters."""
    lines = run(*words).splitlines()
    return [line for line in lines if line.startswith(("-A", ":POINTSMAN", "add", "create"))]


def all_of_it() -> list[str]:
    return [*told("iptables-save"), *told("ip6tables-save"), *told("ipset", "save")]


def test_a_kernel_gets_all_of_it_once() -> None:
    rules = Netfilter(RANGES)
    assert rules.ensure([VIP, VIP6, SINGLE]) > 0
    there = all_of_it()
    assert "-A PREROUTING -j POINTSMAN-PRE" in there
    assert "add pointsman 11.0.0.1,tcp:80" in there
    assert "add pointsman6 fd01:c::1,udp:53" in there
    assert "add pointsman-vips 192.0.2.7" in there
    assert rules.ensure([VIP, VIP6, SINGLE]) == 0
    assert Netfilter(RANGES).ensure([VIP, VIP6, SINGLE]) == 0
    assert all_of_it() == there


def test_virtual_servers_are_let_in_and_dismissed_one_by_one() -> None:
    rules = Netfilter(RANGES)
    rules.ensure([VIP])
    before = sorted(all_of_it())
    assert rules.admit([VIP6, SINGLE]) == 4  # members of three sets, and a rule that masquerades
    assert Netfilter(RANGES).ensure([VIP, VIP6, SINGLE]) == 0
    assert rules.dismiss([VIP6, SINGLE]) == 4
    assert sorted(all_of_it()) == before


def test_marks_of_probes_end_from_the_first_probe_on() -> None:
    rules = Netfilter(RANGES)
    rules.ensure([VIP])
    probe = Key(address="0.0.0.0", fwmark=0x706D0007)
    jump = "-A POSTROUTING -j POINTSMAN-MARK"
    assert jump not in told("iptables-save", "-t", "mangle")
    assert rules.admit([probe]) == 1
    assert jump in told("iptables-save", "-t", "mangle")
    assert jump not in told("ip6tables-save", "-t", "mangle")
    assert rules.ensure([VIP, probe]) == 0
    assert Netfilter(RANGES).ensure([VIP, probe]) == 0
    rules.remove()
    assert all_of_it() == []


def test_marks_end_also_where_nothing_else_is_wanted() -> None:
    rules = Netfilter(RANGES, masquerade=False, guard=False)
    probe = Key(address="::", fwmark=0x706D0007)
    assert rules.admit([probe]) > 0
    assert rules.ensure([probe]) == 0
    assert "-A POSTROUTING -j POINTSMAN-MARK" in told("ip6tables-save", "-t", "mangle")


def test_others_rules_and_sets_stay(network: Callable[[str], None]) -> None:
    run("iptables", "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-j", "ACCEPT")
    run("iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    run("ipset", "create", "theirs", "hash:ip")
    before = all_of_it()
    rules = Netfilter(RANGES)
    rules.ensure([VIP])
    saved = told("iptables-save", "-t", "nat")
    ours, theirs = "-A OUTPUT -j POINTSMAN-PRE", "-A OUTPUT -p tcp -j ACCEPT"
    assert saved.index(ours) < saved.index(theirs)
    assert rules.remove() > 0
    assert all_of_it() == before
    assert rules.remove() == 0


def test_what_is_switched_off_goes() -> None:
    Netfilter(RANGES).ensure([VIP])
    masquerade = Netfilter(RANGES, guard=False)
    assert masquerade.ensure([VIP]) == 4  # two tables of two families
    assert masquerade.ensure([VIP]) == 0
    jumps = [x for x in told("iptables-save") if "-j POINTSMAN-" in x]
    assert jumps == ["-A POSTROUTING -j POINTSMAN-POST"]
    none = Netfilter(RANGES, masquerade=False, guard=False)
    assert none.ensure([VIP]) > 0
    assert all_of_it() == []
    assert none.ensure([VIP]) == 0


def test_no_command_is_needed_to_have_nothing(tmp_path: Path) -> None:
    rules = Netfilter(RANGES, masquerade=False, guard=False, path=str(tmp_path))
    assert rules.ensure([VIP]) == rules.admit([SINGLE]) == rules.dismiss([VIP]) == 0


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"; iptables-legacy: No such file .*: install iptables"):
        Netfilter(RANGES, guard=False, path=str(tmp_path)).ensure([VIP])


def test_without_ipset_vips_are_masqueraded_also_those_that_come(tmp_path: Path) -> None:
    for command in ("iptables", "iptables-save", "iptables-restore"):
        (tmp_path / command).symlink_to(f"/usr/sbin/{command}")
    rules = Netfilter(RANGES, path=str(tmp_path))
    with pytest.raises(Transient):
        rules.ensure([VIP])
    with suppress(Transient):  # there is no ip6tables
        rules.admit([SINGLE])
    (rule,) = (x for x in told("iptables-save") if SINGLE.address in x)
    assert rule.endswith("MASQUERADE")


def test_a_host_without_a_list_of_protocols_is_as_good(tmp_path: Path) -> None:
    """Slim images have no /etc/protocols, and ipset knows no names there."""
    empty = tmp_path / "protocols"
    empty.touch()
    script = f"""
mount --bind {empty} /etc/protocols
exec "$@"
"""
    code = """
from pointsman.vip.addresses import parse_range
from pointsman.vip.model import Key, Protocol
from pointsman.vip.netfilter import Netfilter
rules = Netfilter([parse_range("11.0.0.0/8")])
keys = [Key(protocol, "11.0.0.1", 80) for protocol in Protocol]
print(rules.ensure(keys) > 0, rules.ensure(keys))
"""
    done = run("unshare", "-m", "sh", "-ec", script, "sh", sys.executable, "-c", code)
    assert done == "True 0\n"


def test_cops_5229_ten_thousand_are_let_in_and_one_more_changes_one_member() -> None:
    keys = {Key(Protocol.TCP, f"11.{n >> 8}.{n & 255}.1", 80) for n in range(10_000)}
    rules = Netfilter(RANGES)
    assert rules.ensure(keys) > 10_000
    assert rules.ensure(keys) == 0
    more = Key(Protocol.TCP, "11.200.0.1", 80)
    assert rules.admit([more]) == 1
    assert rules.ensure({*keys, more}) == 0
    assert rules.dismiss([more]) == 1
