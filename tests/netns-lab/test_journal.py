from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.faults.journal import Journal
from pointlab.watch.recording import Fault, Note

PAUSE = Fault(at=10.0, words="pause web.1", tasks=frozenset({"web.1"}))
KILL = Fault(at=11.0, words="kill leader", blind=True)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_journal_that_was_never_written_is_empty(journal: Journal) -> None:
    assert not journal.faults()
    assert not journal.lasting()
    assert not journal.notes()


def test_another_process_sees_what_was_broken_and_healed(journal: Journal, tmp_path: Path) -> None:
    journal.broke(PAUSE)
    journal.broke(KILL, "kill master2")
    journal.healed(PAUSE, 12.0)

    other = Journal(tmp_path)

    assert [(f.words, f.until) for f in other.faults()] == [
        ("pause web.1", 12.0),
        ("kill leader", None),
    ]
    assert [(b.fault, b.plain) for b in other.lasting()] == [(KILL, "kill master2")]


def test_same_words_can_be_broken_again(journal: Journal) -> None:
    again = Fault(at=20.0, words=PAUSE.words)
    journal.broke(PAUSE)
    journal.healed(PAUSE, 12.0)
    journal.broke(again)

    assert [f.until for f in journal.faults()] == [12.0, None]


def test_first_end_counts(journal: Journal) -> None:
    journal.broke(PAUSE)
    journal.healed(PAUSE, 12.0)
    journal.healed(PAUSE, 15.0)

    assert journal.faults()[0].until == 12.0


def test_notes_come_in_their_order(journal: Journal) -> None:
    notes = Note(1.0, "scale web 5"), Note(2.0, "web.lab:5: web 5: 3 serve", unmet=True)
    for note in notes:
        journal.note(note)

    assert journal.notes() == notes


def test_beginning_keeps_what_is_still_broken(journal: Journal) -> None:
    journal.note(Note(1.0, "earlier"))
    journal.broke(PAUSE)
    journal.healed(PAUSE, 12.0)
    journal.broke(KILL, "kill master2")

    journal.begin()

    assert journal.notes() == ()
    assert journal.faults() == (KILL,)
    assert journal.lasting()[0].plain == "kill master2"


@given(cut=st.integers(min_value=0))
def test_torn_line_does_no_harm_to_those_around_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("lab")
    journal = Journal(folder)
    journal.broke(PAUSE)
    before = (folder / "journal").read_bytes()
    journal.broke(KILL)
    line = (folder / "journal").read_bytes()[len(before) :]
    (folder / "journal").write_bytes(before + line[: cut % (len(line) - 1)])

    journal.note(Note(3.0, "after"))

    assert journal.faults()[0] == PAUSE
    assert journal.notes() == (Note(3.0, "after"),)
