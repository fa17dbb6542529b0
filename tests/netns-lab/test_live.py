import io

import msgspec
import pytest
from rich.console import Console

from pointlab.report.live import live, since
from pointlab.report.simulated import Simulation
from pointlab.watch.recording import Recording

RECORDING = Simulation(3, seconds=50).recording("A walk")


def cut(recording: Recording, now: float) -> Recording:
    """Return what was known of a recording at a moment."""
    return msgspec.structs.replace(
        recording,
        ended=now,
        loads=tuple(
            msgspec.structs.replace(
                load,
                requests=tuple(r for r in load.requests if r.end <= now),
            )
            for load in recording.loads
        ),
        views=tuple(
            msgspec.structs.replace(
                view,
                spans=tuple(
                    msgspec.structs.replace(span, last=min(span.last, now))
                    for span in view.spans
                    if span.first <= now
                ),
            )
            for view in recording.views
        ),
    )


def shown(recording: Recording, now: float, width: int = 110, height: int = 30) -> list[str]:
    out = Console(file=io.StringIO(), width=width, height=height)
    out.print(live(recording, now, width, height))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_live_view_tells_of_now() -> None:
    now = RECORDING.began + 5.6
    lines = shown(cut(RECORDING, now), now)
    assert lines[0].split() == ["A", "walk", "6", "s", "nothing", "is", "broken"]
    assert sum(line.startswith("web from") for line in lines) == 2
    rows = [line.split() for line in lines if line.startswith(("master", "agent"))]
    assert [row[0] for row in rows] == list(RECORDING.nodes)
    assert {tuple(row[1:]) for row in rows} == {("2/2", "2/2", "there")}
    assert any("kernels of all 5 nodes without" in line for line in lines)


def test_what_is_broken_now_stands_at_the_head() -> None:
    fault = RECORDING.faults[1]
    now = fault.at + 1
    assert fault.words in shown(cut(RECORDING, now), now)[0]


@pytest.mark.parametrize("at", [0.0, 0.5, 14.0, 33.0, 50.0])
@pytest.mark.parametrize(("width", "height"), [(110, 30), (70, 20), (200, 50)])
def test_live_view_fits_the_terminal(at: float, width: int, height: int) -> None:
    now = RECORDING.began + at
    lines = shown(cut(RECORDING, now), now, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_what_was_before_is_left_out() -> None:
    recent = since(RECORDING, RECORDING.began + 30)
    assert recent.began == RECORDING.began + 30
    assert all(r.end >= recent.began for load in recent.loads for r in load.requests)
    assert all(span.last >= recent.began for view in recent.views for span in view.spans)
    assert len(recent.loads[0].requests) < len(RECORDING.loads[0].requests)
