from collections.abc import Callable
from typing import Any

import pytest

from pointsman.discovery.errors import Transient
from pointsman.status_watch import differences, watch


def status(state: str = "live", weight: int = 1, active: int = 0, **changes: Any) -> dict[str, Any]:
    counted = dict.fromkeys(
        ("connections", "connection_rate", "bytes_in_rate", "bytes_out_rate"), active
    )
    real = {
        "address": "10.0.0.1", "port": 31000, "state": state, "why": "", "left": None,
        "weight": weight, "active": active, "inactive": 0, "task_id": "web.1", **counted,
    }  # fmt: skip
    server = {
        "name": "web", "protocol": "tcp", "address": "11.0.0.1", "port": 80, "scheduler": "wlc",
        "in_kernel": True, "real_servers": [real], **counted,
    }  # fmt: skip
    whole = {
        "ready": True, "not_ready": "", "mode": "stream", "settings": {}, "complaints": [],
        "virtual_servers": [server],
    }  # fmt: skip
    return whole | changes


def test_counters_are_no_change() -> None:
    assert differences(status(active=1), status(active=9)) == []


def test_another_state_is_told_with_the_one_before() -> None:
    assert differences(status(), status("draining", 0)) == [
        "tcp 11.0.0.1:80 10.0.0.1:31000: live, weight 1 -> draining, weight 0"
    ]


def test_what_came_and_what_went_is_told() -> None:
    assert differences(status(virtual_servers=[]), status()) == [
        "tcp 11.0.0.1:80: nothing -> wlc",
        "tcp 11.0.0.1:80 10.0.0.1:31000: nothing -> live, weight 1",
    ]
    assert differences(status(), status(virtual_servers=[]))[0] == "tcp 11.0.0.1:80: wlc -> gone"


def shown(looks: list[Callable[[], dict[str, Any]]], *, redraw: bool) -> list[str]:
    """Return what is shown at each look, until there are no more."""
    pages: list[str] = []
    left = iter(looks)

    def wait() -> None:
        if len(pages) == len(looks):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(lambda: next(left)(), wait, pages.append, lambda: 0.0, redraw=redraw, colours=False)
    return pages


def gone() -> dict[str, Any]:
    raise Transient("no Pointsman answers")


def test_changes_stand_below_the_page_and_stay() -> None:
    def draining() -> dict[str, Any]:
        return status("draining", 0)

    first, second, third = shown([status, draining, draining], redraw=False)
    assert "changes" not in first
    assert second.splitlines()[-3] == "changes"
    assert second.splitlines()[-2].endswith("live, weight 1 -> draining, weight 0")
    assert second == third


def test_a_terminal_is_drawn_anew() -> None:
    (page,) = shown([status], redraw=True)
    assert page.startswith("\x1b[H\x1b[J")
    assert not shown([status], redraw=False)[0].startswith("\x1b")


def test_while_nobody_answers_that_is_shown_and_it_goes_on() -> None:
    _, second, third = shown([status, gone, lambda: status("down, out", 0)], redraw=False)
    assert "no Pointsman answers" in second
    assert "live, weight 1 -> down, out, weight 0" in third
