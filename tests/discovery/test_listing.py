from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.listing import Listing, gather
from pointsman.discovery.model import Agent, Note, Task, Told
from pointsman.testing import AGENT, FRAMEWORK, LEADER, cluster, task, told


def listing(*tasks: Task) -> Listing:
    return Listing(LEADER, agents=[AGENT], frameworks=[FRAMEWORK], tasks=map(told, tasks))


def test_what_is_equal_is_taken_from_the_cluster_before() -> None:
    before = gather([listing(task("web.1"), task("web.2"))])
    after = gather([listing(task("web.1"), task("web.2", healthy=True))], before)
    assert after.tasks["F1", "web.1"] is before.tasks["F1", "web.1"]
    assert after.tasks["F1", "web.2"] != before.tasks["F1", "web.2"]
    assert after.agents is before.agents
    assert after.frameworks is before.frameworks
    assert gather([listing(task("web.1"), task("web.2"))], before).tasks is before.tasks


def test_what_is_not_listed_is_gone() -> None:
    before = gather([listing(task("web.1"), task("web.2"))])
    assert set(gather([listing(task("web.2"))], before).tasks) == {("F1", "web.2")}
    assert gather([Listing(LEADER)], before) == gather([Listing(LEADER)])


def test_several_listings_make_one_cluster() -> None:
    other = Agent("S2", "10.0.0.12", 5051)
    found = gather(
        [
            Listing(tasks=[told(task("web.1"))], notes=[Note("b", "bad")]),
            Listing(LEADER, 7.5, frozenset({"S9"}), [AGENT], [FRAMEWORK]),
            Listing(agents=[other], tasks=[told(task("web.2"))], notes=[Note("a", "bad")]),
        ]
    )
    assert (found.leader, found.elected) == (LEADER, 7.5)
    assert found.recovering == {"S9"}
    assert set(found.agents) == {"S1", "S2"}
    assert set(found.tasks) == {("F1", "web.1"), ("F1", "web.2")}
    assert [note.where for note in found.notes] == ["a", "b"]


def test_a_task_that_ended_is_not_of_the_cluster() -> None:
    assert not gather([listing(task(state="TASK_FAILED"))]).tasks


def test_a_later_task_keeps_no_document_alive() -> None:
    document = b'[{"id":"web.1"}, "much more"]'
    view = Told("web.1", "web", "F1", "S1", "TASK_RUNNING", labels=told(task()).labels)
    found = gather([Listing(tasks=[view])], cluster(task("job.1")))
    assert found.tasks["F1", "web.1"] == view
    assert found.tasks["F1", "web.1"] is not view
    assert document


tasks = st.lists(
    st.builds(
        task,
        st.sampled_from(["web.1", "web.2", "job.1", "job.2"]),
        healthy=st.sampled_from([None, True]),
        state=st.sampled_from(["TASK_RUNNING", "TASK_KILLED"]),
    ),
    max_size=5,
)


@given(st.lists(tasks, min_size=1, max_size=5))
def test_one_reading_after_another_equals_the_last_alone(readings: list[list[Task]]) -> None:
    unique = [{t.key: t for t in tasks_}.values() for tasks_ in readings]
    found = gather([])
    for reading in unique:
        found = gather([listing(*reading)], found)
    assert found == gather([listing(*unique[-1])])
