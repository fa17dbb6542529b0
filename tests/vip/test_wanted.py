from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.model import Agent, Task
from pointsman.testing import discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.backends import Backend, backends
from pointsman.vip.elect import Place
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.policy import Defaults
from pointsman.vip.wanted import Wanted, begin, update

V4 = Range("11.0.0.0", "11.255.255.255")
V6 = Range("fd01:c::", "fd01:c::ffff:ffff:ffff:ffff")
TWO = Range("11.0.0.0", "11.0.0.1")
"""All names prefer its first address."""
A1, A2 = Agent("S1", "10.0.0.11", 5051), Agent("S2", "10.0.0.12", 5051)
NOWHERE = Place()


def web(id_: str = "web.1", agent: Agent = A1, vip: str = "/web:80", **changes: Any) -> Task:
    return task(id_, agent, discovery=discovery("web", port(31000, VIP_0=vip)), **changes)


def put(*tasks: Task) -> list[Backend]:
    return [one for t in tasks for one in backends(t, A1, Defaults())[0]]


def derive(*tasks: Task, ranges: tuple[Range, ...] = (V4, V6)) -> Wanted:
    return update(begin(ranges), (), put(*tasks), NOWHERE, 0, 0)


def test_instances_stand_behind_one_virtual_server() -> None:
    result = derive(web("web.1", A1), web("web.2", A2))
    (address,) = result.names["web.marathon"]
    assert result.table == {
        Key(Protocol.TCP, address, 80): VirtualServer(
            Settings(),
            {
                Endpoint("10.0.0.11", 31000): RealServer(1),
                Endpoint("10.0.0.12", 31000): RealServer(1),
            },
        )
    }


def test_all_ports_of_a_name_share_its_address() -> None:
    listed = discovery("web", port(1, VIP_0="/web:80"), port(2, VIP_0="/web:443"))
    keys = derive(task(discovery=listed)).table
    assert {k.port for k in keys} == {80, 443}
    assert len({k.address for k in keys}) == 1


def test_an_address_vip_merges_over_frameworks_and_a_named_one_does_not() -> None:
    one = web("a", vip="10.1.1.1:80")
    other = web("b", A2, vip="10.1.1.1:80", framework_id="F2", framework="chronos")
    (server,) = derive(one, other).table.values()
    assert len(server.real_servers) == 2
    other = web("b", A2, framework_id="F2", framework="chronos")
    assert set(derive(web("a"), other).names) == {"web.marathon", "web.chronos"}


def test_a_named_vip_of_both_families_has_an_address_of_each() -> None:
    result = derive(web(addresses=("9.0.2.5", "fd01:b::5")))
    assert [":" in a for a in result.names["web.marathon"]] == [False, True]
    for key, server in result.table.items():
        assert all(e.family == key.family for e in server.real_servers)


def test_a_family_without_a_range_has_no_names() -> None:
    result = derive(web(addresses=("fd01:b::5",)), ranges=(V4,))
    assert (result.table, dict(result.names)) == ({}, {})


def test_an_address_label_on_a_names_address_joins_it() -> None:
    (address,) = derive(web()).names["web.marathon"]
    result = derive(web(), web("db.1", A2, vip=f"{address}:80"))
    (key,) = result.table
    assert {one.task_id for one in result.behind(key)} == {"web.1", "db.1"}
    again = update(result, put(web()), (), NOWHERE, 0, 0)
    assert {one.task_id for one in again.behind(key)} == {"db.1"}


def test_dcos_oss_3602_a_change_of_one_vip_leaves_the_others() -> None:
    before = derive(web("a", vip="/a:80"), web("b", vip="/b:80"))
    new = web("c", A2, vip="/c:80")
    after = update(before, put(web("b", vip="/b:80")), put(new), NOWHERE, 0, 0)
    assert set(after.names) == {"a.marathon", "c.marathon"}
    (kept,) = (k for k in after.targets if k.address == after.names["a.marathon"][0])
    assert after.targets[kept] is before.targets[kept]
    assert after.renamed == {"b.marathon", "c.marathon"}
    assert len(after.changed) == 2
    assert kept not in after.changed


def test_dcos_oss_5356_a_vip_without_backends_is_none() -> None:
    after = update(derive(web()), put(web()), (), NOWHERE, 0, 0)
    assert not after.targets
    assert not after.names
    assert not after.members
    assert not after.owners
    assert not after.named


def test_a_full_range_leaves_a_name_out_with_a_note() -> None:
    result = derive(*(web(n, vip=f"/{n}:80") for n in "abc"), ranges=(TWO,))
    assert set(result.names) == {"a.marathon", "b.marathon"}
    assert [str(n) for n in result.notes] == [
        "VIP c.marathon: no address is left in the range 11.0.0.0-11.0.0.1"
    ]


def test_tasks_that_disagree_about_their_vip_are_noted() -> None:
    other = task("web.2", A2, discovery=discovery(
        "web", port(31000, VIP_0="/web:80", VIP_0_SCHEDULER="rr")))  # fmt: skip
    (note,) = derive(web(), other).notes
    assert str(note).startswith("VIP web.marathon:80: its tasks say different things")
    assert update(derive(web(), other), put(other), (), NOWHERE, 0, 0).notes == ()


def test_a_name_that_must_give_way_keeps_its_old_address_for_a_while() -> None:
    old, new = web("z", vip="/z:80"), web("a", A2, vip="/a:80")
    alone = derive(old, ranges=(TWO,))
    assert dict(alone.names) == {"z.marathon": ("11.0.0.0",)}
    # "a" is first in order, and prefers the same address.
    during = update(alone, (), put(new), NOWHERE, now=100, hold=30)
    assert dict(during.names) == {"z.marathon": ("11.0.0.1",)}
    assert {k.address: [e.address for e in s.real_servers] for k, s in during.table.items()} == {
        "11.0.0.0": ["10.0.0.11"],
        "11.0.0.1": ["10.0.0.11"],
    }
    assert during.wake == 130
    assert update(during, (), (), NOWHERE, 129, 30).changed == frozenset()
    after = update(during, (), (), NOWHERE, 130, 30)
    assert dict(after.names) == {"a.marathon": ("11.0.0.0",), "z.marathon": ("11.0.0.1",)}
    assert after.table == derive(old, new, ranges=(TWO,)).table
    assert after.wake is None
    assert after.renamed == {"a.marathon"}


def test_a_name_that_ends_while_it_gives_way_makes_room_at_once() -> None:
    old, new = web("z", vip="/z:80"), web("a", A2, vip="/a:80")
    during = update(derive(old, ranges=(TWO,)), (), put(new), NOWHERE, 100, 30)
    after = update(during, put(old), (), NOWHERE, 101, 30)
    assert dict(after.names) == {"a.marathon": ("11.0.0.0",)}
    assert after.table == derive(new, ranges=(TWO,)).table


def test_a_label_cannot_take_a_hosts_address_from_it() -> None:
    # Every node would keep what is for that host to itself.
    one = web(vip="10.0.0.12:80")
    found = update(begin((V4,)), (), put(one), NOWHERE, 0, 0, frozenset({"10.0.0.12"}))
    assert not found.targets
    assert [str(n) for n in found.notes] == ["VIP 10.0.0.12:80: its address is that of a host"]
    gone = update(found, (), (), NOWHERE, 0, 0, frozenset())
    assert len(gone.targets) == 1
    again = update(gone, (), (), NOWHERE, 0, 0, frozenset({"10.0.0.12"}))
    assert not again.targets
    assert len(again.changed) == 1


def test_another_place_elects_anew() -> None:
    listed = port(31000, VIP_0="/web:80", VIP_0_LOCALITY="host")
    both = [task(f"web.{a.id}", a, discovery=discovery("web", listed)) for a in (A1, A2)]
    before = derive(*both)
    after = update(before, (), (), Place(frozenset({A2.address})), 0, 0)
    (target,) = after.targets.values()
    assert [real.weight for real in target.server.real_servers.values()] == [0, 1]


def sick(id_: str, agent: Agent) -> Task:
    return web(id_, agent, checked=True, healthy=False)


def used(found: Wanted) -> list[int]:
    (target,) = found.targets.values()
    return [real.weight for real in target.server.real_servers.values()]


def test_who_comes_back_alone_is_left_alone_once_the_time_for_it_is_over() -> None:
    three = [Agent(f"S{n}", f"10.0.0.{10 + n}", 5051) for n in (1, 2, 3)]
    down = [sick(f"web.{n}", agent) for n, agent in enumerate(three)]
    before = derive(*down)
    assert (used(before), before.wake) == ([1, 1, 1], None)
    back = web("web.0", three[0], checked=True, healthy=True)
    during = update(before, put(down[0]), put(back), NOWHERE, 100, 0)
    assert (used(during), during.wake) == ([1, 1, 1], 110)
    # Nothing else has changed, neither before the time is over nor after.
    waiting = update(during, (), (), NOWHERE, 109.9, 0)
    assert (used(waiting), waiting.wake, waiting.changed) == ([1, 1, 1], 110, frozenset())
    after = update(waiting, (), (), NOWHERE, 110, 0)
    assert (used(after), after.wake) == ([1, 0, 0], None)
    assert after.changed == frozenset(after.targets)
    again = update(after, (), (), NOWHERE, 200, 0)
    assert again.changed == frozenset()


def test_a_virtual_server_that_ends_while_it_settles_wakes_nobody() -> None:
    three = [Agent(f"S{n}", f"10.0.0.{10 + n}", 5051) for n in (1, 2, 3)]
    down = [sick(f"web.{n}", agent) for n, agent in enumerate(three)]
    back = web("web.0", three[0])
    during = update(derive(*down), put(down[0]), put(back), NOWHERE, 100, 0)
    assert during.wake == 110
    after = update(during, put(back, *down[1:]), (), NOWHERE, 101, 0)
    assert (after.wake, dict(after.targets), dict(after.settling)) == (None, {}, {})


def test_when_all_are_back_nothing_is_left_to_wait_for() -> None:
    down = [sick("web.1", A1), sick("web.2", A2)]
    half = update(derive(*down), put(down[0]), put(web("web.1")), NOWHERE, 100, 0)
    assert (used(half), half.wake) == ([1, 1], 110)
    back = web("web.2", A2, checked=True, healthy=True)
    after = update(half, put(down[1]), put(back), NOWHERE, 101, 0)
    assert (used(after), after.wake) == ([1, 1], None)


tasks = st.builds(
    web,
    st.sampled_from(["1", "2", "3", "4"]),
    st.sampled_from([A1, A2]),
    st.sampled_from(["/a:80", "/b:80", "/b:81", "/c:80", "10.1.1.1:80", "11.0.0.1:80", "bad"]),
    state=st.sampled_from(["TASK_RUNNING", "TASK_KILLING", "TASK_STAGING"]),
    addresses=st.sampled_from([(), ("9.0.2.5", "fd01:b::5")]),
)


@given(st.lists(st.lists(tasks, unique_by=lambda t: t.key, max_size=4), min_size=1, max_size=4))
def test_step_by_step_it_comes_to_what_all_at_once_does(steps: list[list[Task]]) -> None:
    ranges = (Range("11.0.0.0", "11.0.0.2"), Range("fd01:c::", "fd01:c::9"))
    found, before = begin(ranges), list[Task]()
    for step in steps:
        old = found
        found = update(found, put(*before), put(*step), NOWHERE, 0, 0)
        whole = derive(*step, ranges=ranges)
        assert (found.table, found.names) == (whole.table, whole.names)
        assert found.notes == whole.notes
        assert found.changed == {
            key
            for key in {*old.targets, *found.targets}
            if old.targets.get(key) != found.targets.get(key)
        }
        assert found.renamed == {
            name
            for name in {*old.names, *found.names}
            if old.names.get(name) != found.names.get(name)
        }
        before = step
