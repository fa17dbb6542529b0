import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.discovery.errors import Transient
from pointsman.discovery.model import PortMapping
from pointsman.discovery.recordio import Records
from pointsman.discovery.saved import SLICE, Saved
from pointsman.testing import cluster, discovery, labels, port, task

WHOLE = cluster(
    task("web.1", healthy=True, ports=(31000,), mappings=(PortMapping(31000, 80),)),
    task("web.2", discovery=discovery("web", port(80, VIP_0="/web:80")), labels=labels(a="b")),
    elected=7.5,
)


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    Saved(tmp_path / "state/cluster").save(WHOLE)
    assert Saved(tmp_path / "state/cluster").load()[0] == WHOLE


def test_the_last_one_counts(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "cluster")
    saved.save(WHOLE)
    saved.save(cluster())
    assert saved.load()[0] == cluster()
    assert [p.name for p in tmp_path.iterdir()] == ["cluster"]


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert Saved(tmp_path / "cluster").load() == (None, 0.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 5000), with_=st.binary(min_size=1, max_size=3))
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, at: int, with_: bytes) -> None:
    path = tmp_path / "cluster"
    Saved(path).save(WHOLE)
    data = path.read_bytes()
    at %= len(data)
    damaged = data[:at] + with_ + data[at + len(with_) :]
    path.write_bytes(damaged)
    assert Saved(path).load()[0] == (WHOLE if damaged == data else None)
    path.write_bytes(data[:at])
    assert Saved(path).load()[0] is None


def test_a_file_of_another_version_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "cluster"
    Saved(path).save(WHOLE)
    path.write_bytes(path.read_bytes().replace(b'"version":2', b'"version":1'))
    assert Saved(path).load()[0] is None


def test_a_place_that_cannot_be_written_is_a_transient_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Transient, match="can't be written"):
        Saved(tmp_path / "file/cluster").save(WHOLE)


def test_it_says_when_it_was_saved(tmp_path: Path) -> None:
    Saved(tmp_path / "cluster").save(WHOLE)
    os.utime(tmp_path / "cluster", (7.5, 7.5))
    assert Saved(tmp_path / "cluster").load() == (WHOLE, 7.5)


def test_many_tasks_are_written_in_slices(tmp_path: Path) -> None:
    many = cluster(*(task(f"web.{n}") for n in range(2 * SLICE + 1)))
    Saved(tmp_path / "cluster").save(many)
    assert Saved(tmp_path / "cluster").load()[0] == many
    assert len(list(Records().feed((tmp_path / "cluster").read_bytes()))) == 1 + 3 + 1
