"""Documents of every kind, as real masters wrote them."""

from pathlib import Path

import pytest

from pointsman.discovery import details
from pointsman.discovery.errors import Transient
from pointsman.discovery.recording import read

DATA = Path(__file__).parents[1] / "data/mesos"


def ids(name: str) -> set[str]:
    return {task.id for task in details.tasks(read((DATA / name).read_bytes()))}


@pytest.mark.parametrize("name", ["running-state.json", "running-GET_STATE.json"])
def test_a_state_of_either_api(name: str) -> None:
    assert ids(name) == {"db.1", "docker.1", "plain.1", "web.1", "web.2"}


def test_a_recorded_stream_tells_of_the_cluster_at_its_end() -> None:
    assert len(ids("outage-subscribe-master-killed.recordio")) == 5
    assert ids("subscribe.recordio") == set()


def test_a_stream_of_a_record_a_line() -> None:
    whole = (DATA / "subscribe.jsonl").read_bytes()
    assert ids("subscribe.jsonl") == set()
    some = b"\n".join(whole.splitlines()[:20])
    assert len(read(some).tasks) == 5


def test_a_recording_that_stops_in_a_record_tells_what_came_before() -> None:
    stream = (DATA / "outage-subscribe-master-killed.recordio").read_bytes()
    assert read(stream[:-5]).agents


@pytest.mark.parametrize(
    "document",
    [
        b"", b"nonsense", b"{}", b'{"version": "1.11.0"}', b"3\n{}x", b'20\n{"type":"HEARTBEAT"}',
        b'{"type":"HEARTBEAT"}', b'{"type":"GET_MASTER","get_master":{}}', b"99\n{",
    ],
)  # fmt: skip
def test_what_tells_of_no_cluster_is_a_transient_error(document: bytes) -> None:
    with pytest.raises(Transient):
        read(document)
