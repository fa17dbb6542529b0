"""Cutting by a process of its own."""

import sys
from pathlib import Path

import pytest

from pointsman.discovery import pieces as module
from pointsman.discovery import v0
from pointsman.discovery.errors import Transient
from pointsman.discovery.listing import gather
from pointsman.discovery.pieces import pieces

STATE = (Path(__file__).parents[1] / "data/mesos/running-state.json").read_bytes()


def chunked(document: bytes, size: int = 1000) -> list[bytes]:
    return [document[at : at + size] for at in range(0, len(document), size)]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every document count as a large one."""
    monkeypatch.setattr(module, "MOST_WHOLE", 0)


def test_a_small_document_is_its_only_piece() -> None:
    assert list(pieces(chunked(STATE))) == [STATE]


@pytest.mark.usefixtures("large")
def test_a_large_document_is_cut_elsewhere() -> None:
    found = list(pieces(chunked(STATE)))
    assert len(found) > 2
    assert gather(map(v0.read, found)) == gather([v0.read(STATE)])


@pytest.mark.usefixtures("large")
def test_why_a_document_can_not_be_cut_is_said_here() -> None:
    with pytest.raises(Transient, match=r"the state of \d+ bytes can't be read"):
        list(pieces(chunked(STATE[:-1])))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "program", ["print('9\\n{}')", "import sys; sys.exit(3)", "import os; os.kill(os.getpid(), 9)"]
)
def test_a_process_that_ends_early_is_a_transient_error(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", program))
    with pytest.raises(Transient):
        list(pieces([STATE] * 100))


@pytest.mark.usefixtures("large")
def test_a_reader_that_stops_early_leaves_no_process() -> None:
    found = pieces(chunked(STATE))
    next(found)
    found.close()  # type: ignore[attr-defined]
