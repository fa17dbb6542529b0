"""What happened, line by line: breaks and heals, tasks, who followed when, and what failed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table
from rich.text import Text

from pointlab.judge.judge import Verdict
from pointlab.watch.recording import Load, Recording, Request

PAUSE = 1.0
"""Seconds without a failure after which the next begins a run of its own."""
STYLES = {
    "break": "bold red", "heal": "bold green", "note": "bold", "task": "cyan",
    "kernel": "", "dns": "", "failed": "yellow", "late": "bold red", "stale": "bold red",
    "wrong": "bold red",
}  # fmt: skip
"""How each kind of line is printed."""
WORDS = {
    "TASK_STAGING": "is staged", "TASK_STARTING": "starts", "TASK_RUNNING": "runs",
    "TASK_KILLING": "is asked to end", "TASK_KILLED": "has ended as asked",
    "TASK_FINISHED": "has finished", "TASK_FAILED": "has failed", "TASK_LOST": "is lost",
    "TASK_UNREACHABLE": "is unreachable", "TASK_GONE": "is gone", "TASK_ERROR": "is in error",
}  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """Something that happened."""

    at: float
    kind: str
    """``break``, ``heal``, ``note``, ``task``, ``kernel``, ``dns``, ``failed`` (with excuse),
    ``late`` (without), ``stale`` or ``wrong``."""
    text: str


def timeline(recording: Recording, verdict: Verdict) -> tuple[Line, ...]:
    """Return all that happened since the recording began, in order of time."""
    lines = [
        *(Line(n.at, "wrong" if n.unmet else "note", n.text) for n in recording.notes),
        *_faults(recording),
        *_tasks(recording),
        *_followed(verdict),
        *_failed(recording, verdict),
        *(
            Line(one.first, "stale", f"DNS of {one.node} names {one.task} again, which had ended")
            for one in verdict.stale
        ),
        *(
            Line(one.first, "wrong", f"{one.what} of {one.node}: {one.said}")
            for one in verdict.wrong
        ),
    ]
    return tuple(sorted((x for x in lines if x.at >= recording.began), key=lambda x: x.at))


def printed(lines: Sequence[Line], began: float) -> Table:
    """Return them for a terminal, with seconds since the beginning."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column()
    for line in lines:
        table.add_row(f"{line.at - began:.2f} s", Text(line.text, STYLES[line.kind]))
    return table


def _faults(recording: Recording) -> Iterator[Line]:
    for fault in recording.faults:
        yield Line(fault.at, "break", fault.words)
        if fault.until is not None and fault.until <= recording.ended:
            yield Line(fault.until, "heal", f"over: {fault.words}")


def _tasks(recording: Recording) -> Iterator[Line]:
    for task in recording.tasks:
        state, healthy = "", None
        for moment in task.moments:
            words = []
            if moment.state != state:
                plain = moment.state.removeprefix("TASK_").lower()
                words.append(WORDS.get(moment.state, f"is {plain}"))
            if moment.healthy != healthy and moment.healthy is not None:
                words.append("is healthy" if moment.healthy else "is not healthy")
            if words:
                where = f" on {task.agent}" if not state else ""
                yield Line(moment.at, "task", f"{task.id} {' and '.join(words)}{where}")
            state, healthy = moment.state, moment.healthy


def _followed(verdict: Verdict) -> Iterator[Line]:
    """Yield a line for all nodes that followed a change, and one for each reason not to."""
    groups = defaultdict(list)
    for one in verdict.followed:
        key = one.change.at, one.change.task.id, one.change.serves, one.what
        groups[key].append(one)
    for (at, task, serves, what), all_ in groups.items():
        kind, plural = ("kernel", "kernels") if what == "kernel" else ("dns", "DNS")
        single = "kernel" if what == "kernel" else "DNS"
        state = f"{'with' if serves else 'without'} {task}"
        by_reason = defaultdict(list)
        for one in all_:
            by_reason[one.when is not None, one.reason].append(one)
        for (_, reason), those in by_reason.items():
            names = _names([one.node for one in those], len(all_) if len(those) == len(all_) else 0)
            subject = f"{single if len(those) == 1 else plural} of {names}"
            whens = [one.when for one in those if one.when is not None]
            if whens:
                took = _range(min(whens) - at, max(whens) - at)
                whole = max(one.took for one in those)
                since = f", {whole:.2f} s once it could follow again" if reason else ""
                yield Line(max(whens), kind, f"{subject} {state} after {took}{since}")
            elif reason != "changed again":
                last = at + max(one.took for one in those)
                why = reason or f"not after {last - at:.2f} s"
                yield Line(last, kind, f"{subject} not {state}: {why}")


def _failed(recording: Recording, verdict: Verdict) -> Iterator[Line]:
    """Yield the runs of failed requests of each load."""
    late = {id(request) for _, request in verdict.late}
    for load in recording.loads:
        for run in _runs(load):
            bad = sum(id(request) in late for request in run)
            errors = sorted({request.error.rstrip(": ") for request in run})
            count = f"{len(run)} request{'s' if len(run) > 1 else ''} failed"
            until = max(request.end for request in run) - recording.began
            excuse = f", {bad} without excuse" if bad else ""
            yield Line(
                run[0].start,
                "late" if bad else "failed",
                f"{load.name}: {count}, the last until {until:.2f} s{excuse}: {'; '.join(errors)}",
            )


def _runs(load: Load) -> Iterator[list[Request]]:
    run: list[Request] = []
    for request in sorted((r for r in load.requests if r.error), key=lambda r: r.start):
        if run and request.start - run[-1].start > PAUSE:
            yield run
            run = []
        run.append(request)
    if run:
        yield run


def _names(nodes: Sequence[str], all_: int) -> str:
    if all_ > 1:
        return f"all {all_} nodes"
    return ", ".join(nodes)


def _range(least: float, most: float) -> str:
    if f"{least:.2f}" == f"{most:.2f}":
        return f"{most:.2f} s"
    return f"{least:.2f} to {most:.2f} s"
