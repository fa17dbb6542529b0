import msgspec
import pytest

from pointsman.discovery.model import Cluster, Note
from pointsman.testing import cluster, task


def test_a_task_is_known_by_framework_and_id() -> None:
    # Spark names its tasks 0, 1, 2 in every framework.
    assert task("0", framework_id="A").key != task("0", framework_id="B").key


def test_values_do_not_change() -> None:
    with pytest.raises(AttributeError):
        task().state = "TASK_LOST"  # type: ignore[misc]


def test_a_cluster_survives_being_written_and_read() -> None:
    # What one node keeps on disk, or hands to another, must come back equal.
    before = cluster(task("web.1"), task("web.2", healthy=False))
    plain = msgspec.to_builtins(before.tasks, str_keys=False)
    assert msgspec.convert(plain, dict[tuple[str, str], type(task())]) == before.tasks  # type: ignore[misc]
    assert isinstance(before, Cluster)


def test_a_note_reads_as_a_sentence() -> None:
    assert str(Note("task web.1 of marathon", "no agent")) == "task web.1 of marathon: no agent"
