import asyncio

import pytest

from pointsman.events import KEPT, Happening, Ring


def ring(*kinds: str, first: int = 1) -> Ring:
    made = Ring(first)
    made.add((Happening(kind, f"it {n}") for n, kind in enumerate(kinds)), 5.0)  # type: ignore[arg-type]
    return made


def ids(made: Ring, since: int | None, limit: int = KEPT, kind: str | None = None) -> list[int]:
    return [event.id for event in made.page(since, limit, kind).events]  # type: ignore[arg-type]


def test_events_are_numbered_one_by_one_and_have_their_time() -> None:
    made = ring("task", "name", first=7)
    assert [(e.id, e.at, e.what) for e in made.page(None, 9).events] == [
        (7, 5.0, "it 0"),
        (8, 5.0, "it 1"),
    ]
    assert made.last == 8


def test_without_a_place_to_begin_the_latest_are_told_the_oldest_first() -> None:
    made = ring("task", "name", "task", "name")
    assert ids(made, None, 2) == [3, 4]
    assert ids(made, None, 1, "task") == [3]


def test_a_client_goes_on_page_by_page_until_it_has_all() -> None:
    made, at, seen = ring(*["task"] * 7), 0, list[int]()
    while at < made.last:
        page = made.page(at, 3)
        seen += [event.id for event in page.events]
        at = page.last
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_of_a_kind_that_there_is_none_of_the_next_are_asked_for_since_the_last() -> None:
    page = ring("task", "name").page(0, 5, "leader")
    assert (page.events, page.last) == ((), 2)


@pytest.mark.parametrize("since", [0, 3, 99])
def test_a_number_of_another_run_gives_all(since: int) -> None:
    assert ids(ring("task", "task", first=50), since) == [50, 51]


def test_only_the_latest_are_kept() -> None:
    made = ring(*["task"] * (KEPT + 5))
    assert ids(made, 2)[0] == 6
    assert len(ids(made, 2)) == KEPT


def test_who_waits_is_told_of_more() -> None:
    async def run() -> int:
        made = Ring()
        waiting = asyncio.create_task(made.more(0))
        await asyncio.sleep(0)
        made.add((), 1.0)  # nothing
        assert not waiting.done()
        made.add([Happening("node", "x")], 1.0)
        await waiting
        await made.more(0)  # there already
        return made.last

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(
    ("happening", "line"),
    [
        (Happening("kernel", "tcp 11.0.0.1:80", "", "wlc", "for web.1"),
         "tcp 11.0.0.1:80: none -> wlc; for web.1"),
        (Happening("task", "web.1", "TASK_RUNNING"), "web.1: TASK_RUNNING -> none"),
        (Happening("config", "p.toml", "", "reloaded"), "p.toml: reloaded"),
        (Happening("node", "this node", "no master", "ready"), "this node: no master -> ready"),
        (Happening("task", "and 5 changes more"), "and 5 changes more"),
    ],
)  # fmt: skip
def test_people_read_a_line_with_before_and_after_and_why(happening: Happening, line: str) -> None:
    assert str(happening) == line
