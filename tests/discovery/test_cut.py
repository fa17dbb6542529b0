import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery import v0, v1
from pointsman.discovery.cut import cut
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather

DATA = Path(__file__).parents[1] / "data/mesos"
V0 = (DATA / "running-state.json").read_bytes()
V1 = (DATA / "running-GET_STATE.json").read_bytes()
STREAM = (
    b'{"type":"SUBSCRIBED","subscribed":{"get_state":%b,"heartbeat_interval_seconds":7.5}}'
    % (V1.removeprefix(b'{"type":"GET_STATE","get_state":')[:-1])
)


@given(st.integers(1, 20_000))
def test_the_pieces_of_a_state_tell_what_the_whole_does(most: int) -> None:
    pieces = list(cut(V0, most))
    assert gather(map(v0.read, pieces)) == gather([v0.read(V0)])
    assert len(pieces) >= (5 if most == 1 else 2)


@given(st.integers(1, 20_000))
def test_the_pieces_of_an_operator_state_do_too(most: int) -> None:
    assert gather(map(v1.read, cut(V1, most))) == gather([v1.read(V1)])


def test_a_streams_first_piece_has_its_interval() -> None:
    first, *rest = cut(STREAM, 1)
    said = v1.event(first)
    assert isinstance(said, v1.Snapshot)
    assert said.heartbeat == 7.5
    assert gather([said.listing, *map(v1.read, rest)]) == gather([v1.read(V1)])


def test_a_piece_is_no_larger_than_it_may_be_and_nothing_of_no_use_is_in_it() -> None:
    task = json.dumps({"id": "x" * 80, "name": "x", "framework_id": "F", "slave_id": "S"})
    state = (
        '{"leader":"master@10.0.0.1:5050","completed_frameworks":[{"big":1}],"frameworks":'
        f'[{{"id":"F","name":"f","tasks":[{",".join([task] * 50)}],"completed_tasks":[{task}]}}]}}'
    )
    pieces = list(cut(state.encode(), 1000))
    assert max(map(len, pieces)) < 1100
    assert sum(piece.count(b"xxxx" * 20) for piece in pieces) == 50
    assert not any(b"completed" in piece for piece in pieces)


@pytest.mark.parametrize("document", [b"", b"[]", V0[:-1], V1[:-1], b'{"frameworks":[7]}'])
def test_what_is_no_state_is_a_transient_error(document: bytes) -> None:
    with pytest.raises(Transient):
        list(cut(document))
