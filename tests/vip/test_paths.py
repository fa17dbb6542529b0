"""Marks of probes: which target has which, and what they lead to."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.healthcheck.model import Check, Target, Tcp
from pointsman.vip import elect
from pointsman.vip.model import Endpoint, Forwarding, Key, Protocol, RealServer
from pointsman.vip.paths import COUNT, LOWEST, Path, Paths

VIP = Key(Protocol.TCP, "11.0.0.1", 80)
REAL = RealServer(5, Forwarding.DIRECT, 100, 80)


def target(number: int, host: str = "10.0.0") -> Target:
    return Target(f"{host}.{number}", 80, Check(Tcp(), data_path=True), "tcp web.marathon:80")


def path(real: RealServer = REAL, key: Key = VIP) -> Path:
    return key, real


def test_a_target_is_led_to_by_a_virtual_server_of_its_own() -> None:
    paths, changed = Paths().update((), {target(1): path()})
    way = paths.ways[target(1)]
    assert (way.address, way.port) == ("11.0.0.1", 80)
    assert LOWEST <= way.mark < LOWEST + COUNT
    ((key, led),) = changed.items()
    assert key == Key(address="0.0.0.0", fwmark=way.mark)
    assert isinstance(led, elect.Target)
    alone = RealServer(1, Forwarding.DIRECT)  # neither its weight nor its limits keep probes away
    assert led.server.real_servers == {Endpoint("10.0.0.1", 80): alone}


def test_ipv6_has_virtual_servers_of_its_own() -> None:
    one = Target("fd00::1", 80, Check(Tcp(), data_path=True), "tcp web.marathon:80")
    _, changed = Paths().update((), {one: path(key=Key(Protocol.TCP, "fd01:c::1", 80))})
    assert [key.address for key in changed] == ["::"]


def test_what_goes_gives_its_mark_back() -> None:
    before, made = Paths().update((), {target(1): path()})
    after, changed = before.update([target(1)], {})
    assert after == Paths()
    assert changed == dict.fromkeys(made)


def test_a_target_keeps_its_mark_when_its_vip_moves() -> None:
    before, _ = Paths().update((), {target(1): path()})
    moved = Key(Protocol.TCP, "11.0.0.2", 80)
    after, changed = before.update((), {target(1): path(key=moved)})
    assert after.marks == before.marks
    assert after.ways[target(1)].address == "11.0.0.2"
    assert len(changed) == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60))
def test_no_two_targets_share_a_mark(steps: list[tuple[bool, int]]) -> None:
    paths, there = Paths(), set[Target]()
    for come, number in steps:
        one = target(number)
        if come:
            paths, _ = paths.update((), {one: path()})
            there.add(one)
        else:
            paths, _ = paths.update([one], {})
            there.discard(one)
        assert set(paths.ways) == set(paths.marks) == there
        assert dict(paths.taken) == {mark: one for one, mark in paths.marks.items()}
        assert {way.mark for way in paths.ways.values()} == set(paths.taken)
