import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pointlab.judge.judge import verdict
from pointlab.judge.timeline import Line, printed, timeline
from pointlab.report.simulated import Simulation
from pointlab.watch.recording import Fault, Load, Moment, Note, Recording, Request, Span, Task, View

ONE = ("10.31.0.11", 31_001)
WEB = Task(
    "web.1",
    "agent1",
    (ONE,),
    (
        Moment(95, "TASK_RUNNING"),
        Moment(95.5, "TASK_RUNNING", True),
        Moment(103, "TASK_FAILED"),
    ),
    checked=True,
)


def view(node: str, gone: float, what: str = "kernel") -> View:
    status = "no real server" if what == "kernel" else "empty"
    had = Span(100, gone - 0.01, 9, frozenset({ONE}))
    return View(node, what, (had, Span(gone, 110, 9, frozenset(), status)))


def lines(*views: View, requests: tuple[Request, ...] = ()) -> list[tuple[float, str]]:
    recording = Recording(
        "", "", "web", "11.0.0.1:80", 100, 110, ("master", "agent1"), (WEB,),
        (Fault(102.9, "kill -9 web.1", frozenset({"web.1"}), until=103),),
        (Note(101, "one waits"),), (Load("web from client", "master", requests),), views,
    )  # fmt: skip
    return [(round(x.at - 100, 2), x.text) for x in timeline(recording, verdict(recording))]


def test_timeline_tells_what_happened_in_order() -> None:
    found = lines(
        view("master", 103.05),
        view("agent1", 103.12),
        view("master", 103.4, "srv"),
        requests=(
            Request(101.5, 101.6, "web.1 on 10.31.0.11:31001"),
            Request(102.95, 102.96, "", "refused"),
            Request(103.01, 103.02, "", "refused"),
        ),
    )
    assert found == [
        (1, "one waits"),
        (2.9, "kill -9 web.1"),
        (2.95, "web from client: 2 requests failed, the last until 3.02 s: refused"),
        (3, "over: kill -9 web.1"),
        (3, "web.1 has failed"),
        (3.12, "kernels of all 2 nodes without web.1 after 0.05 to 0.12 s"),
        (3.4, "DNS of master without web.1 after 0.40 s"),
    ]


def test_those_that_did_not_follow_are_named() -> None:
    stuck = View("agent1", "kernel", (Span(100, 110, 9, frozenset({ONE})),))
    found = [text for _, text in lines(view("master", 103.05), stuck)]
    assert "kernel of master without web.1 after 0.05 s" in found
    assert "kernel of agent1 not without web.1: not after 7.00 s" in found


def test_failures_a_while_apart_are_two_runs() -> None:
    bad = (Request(101, 101.1, "", "refused"), Request(105, 105.1, "", "refused"))
    found = [text for _, text in lines(view("master", 103.1), requests=bad)]
    assert "web from client: 1 request failed, the last until 5.10 s: refused" in found
    late = "web from client: 1 request failed, the last until 1.10 s, 1 without excuse: refused"
    assert late in found


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_every_line_is_within_the_recording_and_in_order(seed: int) -> None:
    recording = Simulation(seed, seconds=50, rate=5).recording()
    found = timeline(recording, verdict(recording))
    times = [x.at for x in found]
    assert times == sorted(times)
    assert all(recording.began <= at <= recording.ended for at in times)


def test_lines_are_printed_with_seconds_since_the_beginning() -> None:
    out = Console(file=io.StringIO(), width=60)
    out.print(printed([Line(101.5, "break", "kill [web.1]")], 100))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().split() == ["1.50", "s", "kill", "[web.1]"]
