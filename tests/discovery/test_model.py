import pytest

from pointsman.discovery.model import Change, Note, difference
from pointsman.testing import cluster, task


def test_a_task_is_known_by_framework_and_id() -> None:
    # Spark names its tasks 0, 1, 2 in every framework.
    assert task("0", framework_id="A").key != task("0", framework_id="B").key


def test_values_do_not_change() -> None:
    with pytest.raises(AttributeError):
        task().state = "TASK_LOST"  # type: ignore[misc]


def test_a_change_names_what_differs_and_nothing_else() -> None:
    before = cluster(task("web.1"), task("web.2"))
    after = cluster(task("web.1"), task("web.2", healthy=False), task("web.3"))
    change = difference(before, after)
    assert change == Change(tasks=frozenset({("F1", "web.2"), ("F1", "web.3")}))
    assert str(change) == "2 tasks, 0 agents, 0 frameworks"
    assert difference(before, before) == Change()
    assert not difference(before, cluster(task("web.1"), task("web.2")))


def test_changes_add_up() -> None:
    one = Change(tasks=frozenset({("F1", "a")}), rest=True)
    two = Change(tasks=frozenset({("F1", "b")}), agents=frozenset({"S1"}))
    both = frozenset({("F1", "a"), ("F1", "b")})
    assert one | two == Change(tasks=both, agents=frozenset({"S1"}), rest=True)
    assert one | Change() == one


def test_a_note_reads_as_a_sentence() -> None:
    assert str(Note("task web.1 of marathon", "no agent")) == "task web.1 of marathon: no agent"
