from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.elect import Target
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.transition import POLL, QUIET, Drain, Passage, step

TCP, UDP = Key(Protocol.TCP, "11.0.0.1", 80), Key(Protocol.UDP, "11.0.0.1", 53)
A, B, C = (Endpoint(f"10.0.0.{n}", 31000) for n in (1, 2, 3))
NONE = Passage()


def server(scheduler: str = "wlc", /, **weights: int) -> VirtualServer:
    """Return a virtual server of A, B and C with these weights."""
    ends = {"a": A, "b": B, "c": C}
    return VirtualServer(Settings(scheduler), {ends[n]: RealServer(w) for n, w in weights.items()})


def target(drain: float = 30, slow: float = 0, /, **weights: int) -> Target:
    found = server("wlc", **weights)
    drains = {e: drain for e, real in found.real_servers.items() if not real.weight}
    return Target(found, drains, slow)


def weights(found: VirtualServer | None) -> dict[str, int]:
    ends = {A: "a", B: "b", C: "c"}
    return {ends[e]: real.weight for e, real in found.real_servers.items()} if found else {}


def test_what_needs_no_time_is_there_at_once() -> None:
    assert step(TCP, target(a=1, b=1), None, {}, NONE, 0) == (server(a=1, b=1), NONE)


def test_what_is_not_wanted_at_all_goes_at_once() -> None:
    # A task that is gone has nobody to answer: its clients get a reset and go elsewhere.
    assert step(TCP, target(a=1), server(a=1, b=1), {B: 5}, NONE, 0) == (server(a=1), NONE)
    assert step(TCP, None, server(a=1), {A: 5}, NONE, 0) == (None, NONE)


def test_kubernetes_57841_a_drained_one_keeps_its_connections_until_its_deadline() -> None:
    found, passage = step(TCP, target(30, a=1, b=0), server(a=1, b=1), {}, NONE, 100)
    assert weights(found) == {"a": 1, "b": 0}
    assert passage == Passage({B: Drain(130)}, {}, 100 + POLL)
    found, passage = step(TCP, target(30, a=1, b=0), found, {B: 2}, passage, 129.5)
    assert weights(found) == {"a": 1, "b": 0}
    assert passage.wake == 130
    assert step(TCP, target(30, a=1, b=0), found, {B: 2}, passage, 130) == (server(a=1), NONE)


def test_kubernetes_71894_the_last_one_of_a_virtual_server_is_drained_too() -> None:
    found, passage = step(TCP, target(30, a=0), server(a=1), {A: 1}, NONE, 100)
    assert weights(found) == {"a": 0}
    assert step(TCP, target(30, a=0), found, {A: 1}, passage, 129)[0] == found
    assert step(TCP, target(30, a=0), found, {A: 1}, passage, 130) == (None, NONE)


def test_it_goes_early_once_no_connection_was_seen_for_a_moment() -> None:
    want = target(30, a=1, b=0)
    found, passage = step(TCP, want, server(a=1, b=1), {B: 1}, NONE, 100)
    found, passage = step(TCP, want, found, {B: 0}, passage, 101)
    assert weights(found) == {"a": 1, "b": 0}
    assert weights(step(TCP, want, found, {B: 0}, passage, 101 + QUIET)[0]) == {"a": 1}
    # One that began just before is waited for.
    found, passage = step(TCP, want, found, {B: 1}, passage, 102)
    assert weights(step(TCP, want, found, {B: 0}, passage, 101 + QUIET)[0]) == {"a": 1, "b": 0}


def test_one_that_the_kernel_does_not_have_is_not_added_to_be_drained() -> None:
    assert step(TCP, target(a=1, b=0), server(a=1), {}, NONE, 0) == (server(a=1), NONE)


def test_a_shorter_time_shortens_a_drain_and_a_longer_one_does_not_lengthen_it() -> None:
    before = Passage({B: Drain(130)})
    _, passage = step(TCP, target(5, a=1, b=0), server(a=1, b=0), {B: 1}, before, 110)
    assert passage.drains == {B: Drain(115)}
    _, passage = step(TCP, target(60, a=1, b=0), server(a=1, b=0), {B: 1}, before, 110)
    assert passage.drains == {B: Drain(130)}


def test_one_that_comes_back_takes_connections_again() -> None:
    found, passage = step(TCP, target(a=1, b=1), server(a=1, b=0), {}, Passage({B: Drain(9)}), 5)
    assert (weights(found), passage) == ({"a": 1, "b": 1}, NONE)


def test_kubernetes_71514_udp_has_no_connections_to_wait_for() -> None:
    assert step(UDP, target(a=1, b=0), server(a=1, b=1), {}, NONE, 0) == (server(a=1), NONE)


def test_kubernetes_78994_without_real_servers_there_is_no_virtual_server_and_a_reset() -> None:
    want = target(30, a=0)
    found, passage = step(TCP, want, server(a=1), {A: 1}, NONE, 0)
    assert weights(found) == {"a": 0}
    assert step(TCP, want, found, {A: 1}, passage, 30) == (None, NONE)
    assert step(TCP, want, None, {}, NONE, 31) == (None, NONE)


def test_a_new_one_comes_to_its_weight_in_steps_and_then_weights_are_as_they_were() -> None:
    want, passage = target(30, 10, a=1, b=1, c=2), NONE
    found: VirtualServer | None = server(a=1, b=1)
    seen = []
    now = 100.0
    while True:
        found, passage = step(TCP, want, found, {}, passage, now)
        seen.append(weights(found))
        if passage.wake is None:
            break
        now = passage.wake
    assert seen[0] == {"a": 100, "b": 100, "c": 1}
    assert seen[5] == {"a": 100, "b": 100, "c": 100}
    assert seen[-1] == {"a": 1, "b": 1, "c": 2}
    assert len(seen) == 11


def test_the_first_ones_and_schedulers_without_weights_start_at_once() -> None:
    want = target(30, 10, a=1, b=1)
    assert step(TCP, want, None, {}, NONE, 0) == (server(a=1, b=1), NONE)
    assert step(TCP, want, server(), {}, NONE, 0) == (server(a=1, b=1), NONE)
    plain = Target(server("rr", a=1, b=1), {}, 10)
    assert step(TCP, plain, server("rr", a=1), {}, NONE, 0) == (server("rr", a=1, b=1), NONE)


def test_one_that_comes_back_from_a_drain_starts_slowly_too() -> None:
    want = target(30, 10, a=1, b=1)
    found, _ = step(TCP, want, server(a=1, b=0), {}, Passage({B: Drain(30)}), 5)
    assert weights(found) == {"a": 100, "b": 1}


amounts = st.fixed_dictionaries({}, optional={n: st.integers(0, 2) for n in "abc"})


@given(
    amounts,
    amounts,
    st.sampled_from([0, 5]),
    st.dictionaries(st.sampled_from([A, B, C]), st.integers(0, 2)),
)
def test_in_time_it_comes_to_exactly_what_takes_connections(
    there: dict[str, int], wanted: dict[str, int], slow: float, active: dict[Endpoint, int]
) -> None:
    found: VirtualServer | None = server(**there) if there else None
    passage, now, want = NONE, 1000.0, target(20, slow, **wanted)
    for _ in range(100):
        found, passage = step(TCP, want, found, active, passage, now)
        if passage.wake is None:
            break
        assert passage.wake > now
        now = passage.wake
    assert weights(found) == {name: weight for name, weight in wanted.items() if weight}
    assert passage == NONE
    assert now <= 1000 + 20 + POLL
