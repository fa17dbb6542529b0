import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from pointsman.discovery import recording, v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.fold import fold
from pointsman.discovery.model import Agent, Change, Cluster, Master, Note, Task, difference
from pointsman.discovery.trust import (
    MOST_SHARE,
    RECOVERY,
    REGISTRY,
    Trust,
    hear,
    led,
    remember,
    settle,
)
from pointsman.discovery.trust import believe as believe_
from pointsman.testing import AGENT, FRAMEWORK, cluster, task, told

OTHER = Agent("S2", "10.0.0.12", 5051)
NEW = Master("10.0.0.2", 5050)


def ids(trust: Trust) -> set[str]:
    assert trust.cluster is not None
    return {t.id for t in trust.cluster.tasks.values()}


def believe(before: Trust, reading: Cluster, now: float) -> Trust:
    """Believe a reading; what is said to differ by it must be what does."""
    after, change = believe_(before, reading, now)
    assert change == difference(before.cluster or Cluster(), after.cluster or Cluster())
    return after


def believing(*readings: Cluster, start: float = 0.0) -> Trust:
    """Believe readings that come a second apart."""
    trust = Trust()
    for number, reading in enumerate(readings):
        trust = believe(trust, reading, start + number)
    return trust


def many(count: int, agent: Agent = AGENT) -> list[Task]:
    return [task(f"web.{n}", agent) for n in range(count)]


EMPTY = Cluster(leader=NEW, elected=7.0)
"""What a new leader says before it has read its registry."""


def recovering(*tasks: Task, agents: tuple[Agent, ...] = ()) -> Cluster:
    """Return what it says then: some agents are back, the others of its registry are not."""
    others = frozenset((AGENT.id, OTHER.id)) - {agent.id for agent in agents}
    return cluster(*tasks, agents=agents, leader=NEW, elected=7.0, recovering=others)


def recovered(*tasks: Task, agents: tuple[Agent, ...] = (AGENT,)) -> Cluster:
    return cluster(*tasks, agents=agents, leader=NEW, elected=7.0)


def test_the_first_reading_is_believed() -> None:
    assert ids(believing(cluster(task("web.1")))) == {"web.1"}


def test_a_first_reading_of_a_leader_that_recovers_is_not() -> None:
    assert believing(EMPTY).cluster is None
    assert believing(EMPTY, recovering()).cluster is None
    assert ids(believing(EMPTY, recovering(), cluster(task("web.1"), leader=NEW))) == {"web.1"}


def test_an_empty_cluster_is_believed_after_the_time_for_the_registry() -> None:
    trust = believe(believing(EMPTY), EMPTY, REGISTRY)
    assert trust.cluster == EMPTY


def test_a_task_that_ends_is_gone_with_the_next_reading() -> None:
    assert ids(believing(cluster(task("web.1"), task("web.2")), cluster(task("web.2")))) == {
        "web.2"
    }


def test_a_new_leader_that_knows_of_nothing_takes_nothing_away() -> None:
    trust = believing(cluster(task("web.1")), EMPTY, EMPTY)
    assert ids(trust) == {"web.1"}
    assert trust.standing == 1
    assert trust.cluster is not None
    assert trust.cluster.leader == NEW
    assert trust.cluster.agents[AGENT.id] == AGENT
    assert trust.cluster.frameworks[FRAMEWORK.id] == FRAMEWORK


def test_a_leader_that_was_elected_again_is_new() -> None:
    again = Cluster(leader=cluster().leader, elected=8.0)
    before = believing(*[cluster(task("web.1"))] * 100)
    assert ids(believe(before, again, 100.0)) == {"web.1"}


def test_what_an_agent_that_is_back_lacks_is_gone() -> None:
    before = cluster(task("web.1"), task("web.2"), task("job.1", OTHER), agents=(AGENT, OTHER))
    trust = believing(before, EMPTY, recovering(task("web.1"), agents=(AGENT,)))
    assert ids(trust) == {"web.1", "job.1"}
    assert trust.standing == 1


def test_what_a_leader_that_has_recovered_lacks_is_gone() -> None:
    before = cluster(task("web.1"), task("job.1", OTHER), agents=(AGENT, OTHER))
    done = recovered(task("web.1"))
    trust = believing(before, EMPTY, done)
    assert (ids(trust), trust.standing) == ({"web.1", "job.1"}, 1)
    trust = believe(trust, done, 1.0 + REGISTRY)
    assert (ids(trust), trust.standing) == ({"web.1"}, 0)


def test_a_new_leader_is_not_waited_for_for_ever() -> None:
    trust = believing(cluster(task("web.1")), recovering())
    assert ids(believe(trust, recovering(), RECOVERY)) == {"web.1"}
    assert ids(believe(trust, recovering(), 1.0 + RECOVERY)) == set()


def test_an_agent_that_a_known_leader_removes_takes_its_tasks_along() -> None:
    both = cluster(task("web.1"), task("job.1", OTHER), agents=(AGENT, OTHER))
    assert ids(believing(both, cluster(task("web.1")))) == {"web.1"}


def test_many_tasks_vanish_only_by_a_second_reading() -> None:
    before = cluster(*many(20))
    fewer = cluster(*many(10))
    trust = believing(before, fewer)
    assert len(ids(trust)) == 20
    assert len(trust.doubted) == 10
    assert len(ids(believe(trust, fewer, 2.0))) == 10


def test_what_came_back_was_doubted_rightly() -> None:
    before = cluster(*many(20))
    trust = believing(before, cluster(*many(10)), before)
    assert len(ids(trust)) == 20
    assert trust.doubted == frozenset()


def test_of_few_tasks_any_may_vanish() -> None:
    assert ids(believing(cluster(*many(5)), cluster())) == set()


readings = st.builds(
    lambda count, other, elected, leader, recovering: cluster(
        *many(count), *([task("job.1", OTHER)] if other else []),
        agents=(AGENT, OTHER) if other else (AGENT,), elected=elected, leader=leader,
        recovering=frozenset(recovering),
    ),
    st.integers(0, 30),
    st.booleans(),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([cluster().leader, NEW]),
    st.sampled_from([(), (OTHER.id,), (AGENT.id, OTHER.id)]),
)  # fmt: skip


@given(st.lists(readings, min_size=1, max_size=8))
def test_what_is_read_is_always_believed_and_what_is_missing_goes_in_the_end(
    given_: list[Cluster],
) -> None:
    trust = believing(*given_)
    last = given_[-1]
    if trust.cluster is not None:
        assert all(trust.cluster.tasks.get(key) == task for key, task in last.tasks.items())
    for now in (RECOVERY + 20, RECOVERY + 21):
        trust = believe(trust, last, now)
    assert trust.cluster == last


@given(st.lists(readings, min_size=2, max_size=8))
def test_one_reading_never_takes_more_than_the_share(given_: list[Cluster]) -> None:
    trust = Trust()
    for now, reading in enumerate(given_):
        before, doubted = trust.cluster, trust.doubted
        trust = believe(trust, reading, float(now))
        if before is not None and trust.cluster is not None and len(before.tasks) > 10:
            gone = set(before.tasks) - set(trust.cluster.tasks)
            assert gone <= doubted or len(gone) <= MOST_SHARE * len(before.tasks)


def hears(trust: Trust, *events: v1.Event) -> Trust:
    """Hear events; what is said to differ by each must be what does."""
    for event in events:
        before = trust.cluster or Cluster()
        trust, change = hear(trust, event)
        assert difference(before, trust.cluster or Cluster()) == change
    return trust


def ended(of: Task, state: str = "TASK_KILLED") -> v1.TaskUpdated:
    return v1.TaskUpdated(of.key, state, Raw(b"{}"))


WEB1, WEB2, JOB = task("web.1"), task("web.2"), task("job.1", OTHER)
KNOWN = cluster(WEB1, WEB2, JOB, agents=(AGENT, OTHER))


def test_what_a_stream_says_is_believed_at_once() -> None:
    trust = hears(believing(cluster(*many(20))), *map(ended, many(15)))
    assert len(ids(trust)) == 5


def test_an_agent_that_comes_back_on_the_stream_settles_its_own_tasks() -> None:
    trust = believing(KNOWN, recovering())
    assert trust.standing == 3
    back = hears(trust, v1.TaskAdded(told(WEB1)))
    assert (ids(back), back.standing) == ({"web.1", "web.2", "job.1"}, 2)
    back = hears(back, v1.AgentAdded(AGENT))
    assert (ids(back), back.standing) == ({"web.1", "web.2", "job.1"}, 2)
    back = hears(back, v1.TaskAdded(told(JOB)))
    assert (ids(back), back.standing) == ({"web.1", "job.1"}, 0)
    back = hears(back, v1.AgentAdded(OTHER), v1.Heartbeat())
    assert ids(back) == {"web.1", "job.1"}
    assert back.cluster is back.told


def test_the_first_agent_to_come_back_is_added_before_its_framework_and_its_tasks() -> None:
    # Seen of Mesos 1.11 after a failover: the framework is not known before its first agent.
    trust = hears(believing(KNOWN, recovering()), v1.AgentAdded(AGENT))
    assert ids(trust) == {"web.1", "web.2", "job.1"}
    trust = hears(trust, v1.FrameworkChanged(FRAMEWORK), v1.TaskAdded(told(WEB2)))
    assert ids(trust) == {"web.1", "web.2", "job.1"}
    assert ids(hears(trust, v1.Heartbeat())) == {"web.2", "job.1"}
    assert ids(hears(trust, v1.TaskAdded(told(JOB)))) == {"web.2", "job.1"}
    assert ids(hears(trust, v1.AgentAdded(OTHER))) == {"web.2", "job.1"}


def test_an_agent_that_is_in_neither_list_just_then_keeps_its_tasks() -> None:
    # Seen of Mesos 1.11: an agent that is coming back is not recovering any more, nor listed yet.
    between = cluster(agents=(), leader=NEW, elected=7.0)
    trust = believing(KNOWN, between)
    for event in (v1.AgentAdded(AGENT), v1.FrameworkChanged(FRAMEWORK), v1.Heartbeat()):
        trust, change = settle(hears(trust, event), 2.0)
        assert change == Change()
        assert "job.1" in ids(trust)
    trust = believe(trust, recovered(task("web.1")), 3.0)
    assert ids(trust) == {"web.1", "job.1"}
    assert ids(settle(trust, 1.0 + REGISTRY)[0]) == {"web.1"}


def test_each_agent_is_waited_for_as_long_as_it_may_take() -> None:
    one = cluster(agents=(), leader=NEW, elected=7.0, recovering=frozenset((AGENT.id,)))
    trust = believing(KNOWN, one)
    assert trust.deadline == 1.0 + REGISTRY
    trust, _ = settle(trust, 1.0 + REGISTRY)
    assert (ids(trust), trust.deadline) == ({"web.1", "web.2"}, 1.0 + RECOVERY)


def test_an_agent_stands_while_its_tasks_are_back_before_it() -> None:
    trust = believing(KNOWN, recovering())
    for one in (WEB1, WEB2, JOB):
        trust = hears(trust, v1.TaskAdded(told(one)))
        assert trust.cluster is not None
        assert set(trust.cluster.agents) == {AGENT.id, OTHER.id}
    assert hears(trust, v1.AgentAdded(AGENT)).waiting


def test_an_agent_without_tasks_stands_too() -> None:
    trust = believing(cluster(WEB1, agents=(AGENT, OTHER)), recovering())
    assert trust.cluster is not None
    assert set(trust.cluster.agents) == {AGENT.id, OTHER.id}
    trust = hears(trust, v1.AgentRemoved(OTHER.id))
    assert trust.cluster is not None
    assert set(trust.cluster.agents) == {AGENT.id}


def test_a_standing_task_that_the_master_ends_is_gone() -> None:
    trust = hears(believing(KNOWN, recovering()), ended(JOB, "TASK_GONE"))
    assert (ids(trust), trust.standing) == ({"web.1", "web.2"}, 2)


def test_a_leader_that_was_not_believed_is_when_its_last_agent_is_back() -> None:
    trust = believing(recovering())
    assert trust.cluster is None
    trust = hears(trust, v1.TaskAdded(told(WEB1)), v1.AgentAdded(AGENT))
    assert trust.cluster is None
    trust = hears(trust, v1.AgentAdded(OTHER))
    assert trust.cluster is None, "its tasks may follow"
    trust = hears(trust, v1.TaskAdded(told(JOB)))
    assert trust.cluster is None
    assert ids(hears(trust, v1.Heartbeat())) == {"web.1", "job.1"}


def test_time_alone_ends_the_waiting() -> None:
    trust = believing(KNOWN, recovering(), start=100.0)
    end = 101.0 + RECOVERY
    assert trust.deadline == end
    assert settle(trust, end - 1) == (trust, Change())
    after, change = settle(trust, end)
    assert (ids(after), after.standing, after.deadline) == (set(), 0, None)
    assert trust.cluster is not None
    assert change == difference(trust.cluster, after.cluster or Cluster())


def test_time_alone_lets_a_first_leader_be_believed() -> None:
    trust = believing(recovering(WEB1, agents=(AGENT,)))
    assert trust.deadline == RECOVERY
    after, _ = settle(trust, RECOVERY)
    assert ids(after) == {"web.1"}


def test_a_doubted_task_that_is_told_of_again_is_doubted_no_more() -> None:
    trust = believing(cluster(*many(20)), cluster(*many(10)))
    assert len(trust.doubted) == 10
    one = many(20)[15]
    trust = hears(trust, v1.TaskAdded(told(one)))
    assert len(trust.doubted) == 9
    assert len(ids(believe(trust, cluster(*many(10), one), 2.0))) == 11


def test_what_was_remembered_is_believed_like_a_reading() -> None:
    trust = remember(KNOWN)
    assert ids(believe(trust, cluster(WEB1, agents=(AGENT, OTHER)), 0.0)) == {"web.1"}
    assert ids(believe(remember(KNOWN), EMPTY, 0.0)) == {"web.1", "web.2", "job.1"}


def test_a_leader_that_is_recovering_is_a_new_one_to_who_was_restarted() -> None:
    known = cluster(WEB1, WEB2, JOB, agents=(AGENT, OTHER), leader=NEW, elected=7.0)
    trust = believe(remember(known), recovering(WEB1, WEB2, agents=(AGENT,)), 5.0)
    assert (ids(trust), trust.standing) == ({"web.1", "web.2", "job.1"}, 1)
    assert trust.deadline == 5.0 + RECOVERY
    again = believe(trust, recovering(WEB1, WEB2, agents=(AGENT,)), 4.0 + RECOVERY)
    assert ids(again) == {"web.1", "web.2", "job.1"}
    assert ids(believe(again, recovering(WEB1, agents=(AGENT,)), 5.0 + RECOVERY)) == {"web.1"}


def test_an_agent_that_is_given_up_takes_all_that_stood_for_it_along() -> None:
    gave_up = v1.TaskUpdated(WEB1.key, "TASK_UNREACHABLE", Raw(b"{}"), lost_agent=AGENT.id)
    trust = hears(believing(KNOWN, recovering()), gave_up)
    assert (ids(trust), trust.standing) == ({"job.1"}, 1)


def test_masters_are_told_of_beside_what_they_say() -> None:
    trust, change = led(believing(KNOWN), (NEW,))
    assert change == Change(rest=True)
    assert trust.cluster is not None
    assert trust.cluster.masters == trust.told.masters == (NEW,)
    assert led(trust, (NEW,))[1] == Change()
    waiting, _ = led(believing(KNOWN, EMPTY), (NEW,))
    assert (ids(waiting), waiting.standing) == ({"web.1", "web.2", "job.1"}, 3)


@given(
    st.permutations([WEB1, WEB2, JOB]), st.sets(st.sampled_from([WEB1, WEB2, JOB])), st.booleans()
)
def test_no_task_is_missing_while_agents_come_back_in_any_order(
    order: list[Task], alive: set[Task], tasks_first: bool
) -> None:
    trust = believing(KNOWN, recovering())
    agents = list(dict.fromkeys(AGENT if t.agent_id == AGENT.id else OTHER for t in order))
    for agent in agents:
        own = [v1.TaskAdded(told(t)) for t in order if t in alive and t.agent_id == agent.id]
        added = [v1.AgentAdded(agent)]
        for event in own + added if tasks_first else added + own:
            trust = hears(trust, event)
            assert {t.id for t in alive} <= ids(trust)
    assert ids(hears(trust, v1.Heartbeat())) == {t.id for t in alive}


def test_without_anything_standing_the_master_alone_is_believed() -> None:
    trust = believing(KNOWN)
    for event in (ended(WEB1), v1.AgentRemoved(OTHER.id), v1.TaskAdded(told(WEB1))):
        expected, _ = fold(trust.told, event)
        trust = hears(trust, event)
        assert trust.cluster == trust.told == expected


def test_what_can_not_be_read_any_more_stands_until_a_second_reading() -> None:
    before = cluster(WEB1, WEB2)
    bad = cluster(WEB2, notes=(Note("task, the 1. listed", "no name"),))
    trust = believing(before, bad)
    assert ids(trust) == {"web.1", "web.2"}
    assert ids(believe(trust, bad, 2.0)) == {"web.2"}
    assert ids(believe(believing(bad, cluster(WEB1, WEB2, notes=bad.notes)), bad, 2.0)) == {"web.2"}


DOCUMENTS = {
    name: (Path(__file__).parents[1] / "data/mesos" / name).read_bytes()
    for name in ("running-state.json", "running-GET_STATE.json", "after-GET_STATE.json")
}


def borders(document: bytes) -> list[int]:
    """Return the places between the tokens of a JSON document."""
    strings = [m.span() for m in re.finditer(rb'"(?:[^"\\\\]|\\\\.)*"', document)]
    inside = {at for begin, end in strings for at in range(begin + 1, end)}
    return [at for at in range(len(document) + 1) if at not in inside]


BORDERS = {name: borders(document) for name, document in DOCUMENTS.items()}


@settings(max_examples=300)
@given(st.data(), st.sampled_from(sorted(DOCUMENTS)))
def test_a_damaged_document_is_a_transient_error_or_takes_nothing_away(
    data: st.DataObject, name: str
) -> None:
    document = DOCUMENTS[name]
    at = data.draw(st.sampled_from(BORDERS[name]))
    noise = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"{}", b"[],", b"{},", b"null,", b"1"])
    )
    end = data.draw(st.sampled_from([at, at, at + 1, len(document)]))
    trust, _ = believe_(Trust(), recording.read(document), 0.0)
    try:
        damaged = recording.read(document[:at] + noise + document[end:])
    except Transient:
        return
    after, _ = believe_(trust, damaged, 1.0)
    assert trust.cluster is not None
    assert ids(after) >= ids(trust)
