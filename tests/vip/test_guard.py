from immutables import Map

from pointsman.vip.elect import Target
from pointsman.vip.guard import Guard, step
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer

KEYS = [Key(Protocol.TCP, f"11.0.0.{n}", 80) for n in range(20)]
ONE = Endpoint("10.0.0.1", 80)
LIVE = Target(VirtualServer(Settings(), {ONE: RealServer(1)}))
DEAD = Target(VirtualServer(Settings(), {ONE: RealServer(0)}), {ONE: 30})
ALL = Map(dict.fromkeys(KEYS, LIVE))
GUARD = Guard(share=0.3, few=2, patience=60)


def without(count: int) -> Map[Key, Target]:
    """Return all but the first so many."""
    return Map(dict.fromkeys(KEYS[count:], LIVE))


def test_a_few_that_lose_all_are_believed_at_once() -> None:
    for count in (1, 2, 6):
        guard, targets = step(GUARD, ALL, without(count), KEYS[:count], 0)
        assert targets == without(count)
        assert guard.wake is None


def test_many_at_once_stand_until_they_are_believed() -> None:
    guard, targets = step(GUARD, ALL, without(7), KEYS[:7], 100)
    assert targets == ALL
    assert guard.wake == 160
    guard, targets = step(guard, targets, without(7), (), 159)
    assert targets == ALL
    guard, targets = step(guard, targets, without(7), (), 160)
    assert targets == without(7)
    assert guard.wake is None


def test_what_comes_back_meanwhile_is_followed_again() -> None:
    guard, targets = step(GUARD, ALL, without(7), KEYS[:7], 100)
    guard, targets = step(guard, targets, without(3), KEYS[3:7], 110)
    assert set(guard.held) == set(KEYS[:3])
    assert guard.wake == 160
    guard, targets = step(guard, targets, ALL, KEYS[:3], 120)
    assert (guard.wake, targets) == (None, ALL)


def test_while_some_are_held_back_a_further_one_is_too() -> None:
    guard, targets = step(GUARD, ALL, without(7), KEYS[:7], 100)
    guard, targets = step(guard, targets, without(8), KEYS[7:8], 130)
    assert targets == ALL
    assert guard.wake == 160


def test_losing_all_live_ones_is_losing_all() -> None:
    dead = ALL.update(dict.fromkeys(KEYS[:10], DEAD))
    assert step(GUARD, ALL, dead, KEYS[:10], 0)[1] == ALL


def test_other_changes_are_followed_meanwhile() -> None:
    other = Target(VirtualServer(Settings("rr"), LIVE.server.real_servers))
    wanted = without(7).set(KEYS[19], other)
    _, targets = step(GUARD, ALL, wanted, [*KEYS[:7], KEYS[19]], 0)
    assert targets == ALL.set(KEYS[19], other)


def test_a_new_cluster_has_nothing_to_lose() -> None:
    assert step(GUARD, Map(), ALL, KEYS, 0) == (GUARD, ALL)
