from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.model import Agent, Cluster, Master, Task
from pointsman.discovery.trust import MOST_SHARE, RECOVERY, REGISTRY, Trust, believe
from pointsman.testing import AGENT, FRAMEWORK, cluster, task

OTHER = Agent("S2", "10.0.0.12", 5051)
NEW = Master("10.0.0.2", 5050)


def ids(trust: Trust) -> set[str]:
    assert trust.cluster is not None
    return {t.id for t in trust.cluster.tasks.values()}


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


def recovering(*tasks: Task, agents: tuple[Agent, ...] = (), count: int = 1) -> Cluster:
    """Return what it says then: some agents are back, so many are not."""
    return cluster(*tasks, agents=agents, leader=NEW, elected=7.0, recovering=count)


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
    assert trust.waiting == 1
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
    assert trust.waiting == 1


def test_what_a_leader_that_has_recovered_lacks_is_gone() -> None:
    before = cluster(task("web.1"), task("job.1", OTHER), agents=(AGENT, OTHER))
    done = recovering(task("web.1"), agents=(AGENT,), count=0)
    trust = believing(before, EMPTY, done)
    assert ids(trust) == {"web.1"}
    assert trust.waiting == 0


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
        recovering=recovering,
    ),
    st.integers(0, 30),
    st.booleans(),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([cluster().leader, NEW]),
    st.sampled_from([0, 1]),
)  # fmt: skip


@given(st.lists(readings, min_size=1, max_size=8))
def test_what_is_read_is_always_believed_and_what_is_missing_goes_in_the_end(
    given_: list[Cluster],
) -> None:
    trust = believing(*given_)
    last = given_[-1]
    if trust.cluster is not None:
        assert last.tasks.items() <= trust.cluster.tasks.items()
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
            gone = before.tasks.keys() - trust.cluster.tasks.keys()
            assert gone <= doubted or len(gone) <= MOST_SHARE * len(before.tasks)
