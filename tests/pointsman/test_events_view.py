from typing import Any

import pytest

from pointsman.events_view import lines


def event(**changes: Any) -> dict[str, Any]:
    whole = {"id": 1, "at": 0.0, "kind": "task", "what": "web.1", "before": "", "after": "",
             "why": ""}  # fmt: skip
    return whole | changes


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("live", "down", "web.1: live -> down"),
        ("", "live", "web.1: + live"),
        ("live", "", "web.1: - live"),
        ("", "", "web.1: +"),
    ],
)
def test_an_event_has_what_was_before_and_what_is_now(before: str, after: str, said: str) -> None:
    (line,) = lines(event(before=before, after=after))
    assert line.endswith(f"  task    {said}")


def test_a_reason_stands_below() -> None:
    _, why = lines(event(why="3 of 3 probes were refused"))
    assert why == "  because 3 of 3 probes were refused"
