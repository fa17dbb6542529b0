import pytest

from pointsman.healthcheck.board import Board, Way
from pointsman.healthcheck.model import (
    Check,
    Outcome,
    Place,
    Result,
    Standing,
    Status,
    Target,
    Tcp,
    Timing,
)

GOOD, BAD, UNTRIED = Result(Outcome.GOOD), Result(Outcome.BAD, "no"), Result(Outcome.UNTRIED)
TIMING = Timing(interval=5, timeout=2, edge=1, rise=1, fall=1, grace=0)
ONE = Target("10.0.0.1", 80, Check(Tcp(), TIMING))
TWO = Target("10.0.0.2", 80, Check(Tcp(), TIMING))
LED = Target("10.0.0.1", 80, Check(Tcp(), TIMING, data_path=True), "tcp web:80")
NEW, UP = Status(), Status(Standing.UP, 100)
NOW = 100.0


def begun(board: Board, target: Target = ONE, status: Status = UP, now: float = NOW) -> float:
    """Have a target probed, and return when it was due."""
    board.add(target, status, now)
    when = board.next()
    assert when is not None
    ((found, _, due),) = board.due(when, 9)
    assert found == target
    return due


def test_one_of_which_nothing_is_known_is_asked_soon_and_others_in_turn() -> None:
    for number in range(50):
        board = Board(str(number))
        board.add(ONE, NEW, NOW)
        assert NOW <= (board.next() or 0) < NOW + 1
    turns = []
    for number in range(50):
        board = Board(str(number))
        board.add(ONE, UP, NOW)
        turns.append(board.next() or 0)
    assert all(NOW <= turn < NOW + 5 for turn in turns)
    assert max(turns) > NOW + 4


def test_it_is_probed_where_it_is_and_for_as_long_as_its_check_says() -> None:
    board = Board()
    board.add(ONE, NEW, NOW)
    ((_, place, _),) = board.due(NOW + 1, 9)
    assert place == Place("10.0.0.1", 80, 2)
    assert list(board.due(NOW + 99, 9)) == []  # not twice at once


def test_what_changed_is_told_and_what_did_not_is_not() -> None:
    board = Board()
    due = begun(board)
    assert board.take(ONE, due, GOOD, due + 0.1) is None
    assert board.next() == pytest.approx(due + 5, abs=0.25)
    ((_, _, due),) = board.due(due + 6, 9)
    assert board.take(ONE, due, BAD, due + 0.1) == Status(Standing.SICK, due + 0.1, "no")
    assert board.states[ONE].status.standing == Standing.SICK
    ((_, _, due),) = board.due(due + 6, 9)
    assert board.take(ONE, due, UNTRIED, due + 0.1) is None


def test_those_that_came_together_have_their_turns_apart_once_they_are_known() -> None:
    board = Board()
    many = [Target(f"10.0.1.{n}", 80, Check(Tcp(), TIMING)) for n in range(200)]
    for target in many:
        board.add(target, NEW, NOW)
    for target, _, due in list(board.due(NOW + 1, 999)):
        board.take(target, due, GOOD, NOW + 1)
    assert 70 < len(list(board.due(NOW + 3.5, 999))) < 130


def test_adding_it_again_changes_nothing() -> None:
    board = Board()
    due = begun(board)
    board.take(ONE, due, BAD, due)
    before, following = board.states[ONE], board.next()
    board.add(ONE, UP, due + 1)
    assert (board.states[ONE], board.next()) == (before, following)


def test_what_is_removed_while_it_is_probed_is_forgotten() -> None:
    board = Board()
    due = begun(board)
    board.remove(ONE)
    board.remove(TWO)
    assert board.take(ONE, due, BAD, due + 1) is None
    assert (board.states, board.next()) == ({}, None)


def test_a_probe_from_before_it_was_added_again_says_nothing_of_it() -> None:
    # Another task may have its port by now.
    board = Board()
    due = begun(board, status=NEW)
    board.remove(ONE)
    board.add(ONE, NEW, due + 1)
    turn = board.next()
    assert board.take(ONE, due, GOOD, due + 1.5) is None
    assert board.states[ONE].status == NEW
    assert board.next() == turn
    ((_, _, due),) = board.due(due + 2, 9)
    assert board.take(ONE, due, GOOD, due) == Status(Standing.UP, due)


def test_one_that_is_led_there_is_probed_once_there_is_a_way() -> None:
    board = Board()
    board.add(LED, NEW, NOW)
    assert list(board.due(NOW + 1, 9)) == []
    assert NOW < (board.next() or 0) <= NOW + 2.05
    board.ways = {LED: Way("11.0.0.1", 8080, 7)}
    ((_, place, _),) = board.due(NOW + 3, 9)
    assert place == Place("11.0.0.1", 8080, 2, 7)
    assert board.states[LED].status == NEW


def test_who_is_suspected_is_probed_at_once() -> None:
    board = Board("x")
    board.add(ONE, UP, NOW)
    board.suspect([ONE, TWO], NOW)
    assert [target for target, _, _ in board.due(NOW, 9)] == [ONE]
    assert TWO not in board.states


def test_what_fell_too_often_is_held_as_long_as_the_damping_says() -> None:
    board = Board(damping=60)
    due = begun(board)
    for result in (BAD, GOOD, BAD):
        board.take(ONE, due, result, due)
        ((_, _, due),) = board.due(due + 6, 9)
    assert board.take(ONE, due, GOOD, due) is None
    assert board.states[ONE].seen is Standing.UP
    held, changed = board.states[ONE].held, None
    while changed is None:
        ((_, _, due),) = board.due(due + 6, 9)
        changed = board.take(ONE, due, GOOD, due)
    assert changed == Status(Standing.UP, due)
    assert held <= due < held + 6
