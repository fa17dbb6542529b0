"""A recording while it is made: what is asked and answered now, who sees what, what happened."""

from bisect import bisect_left
from collections import Counter

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pointlab.judge.judge import verdict
from pointlab.judge.timeline import printed, timeline
from pointlab.judge.truth import expected, lasting
from pointlab.watch.recording import Load, Recording, Request, View

SECOND = 1.0
RECENT = 20.0
"""Seconds of which the last lines tell: all of a long recording would take too long to judge."""
COLUMNS = {"kernel": "kernel", "srv": "DNS", "vip": "VIP's name"}


def live(recording: Recording, now: float, width: int, height: int) -> RenderableType:
    """Return what to show of it on a terminal of so many columns and lines.

    ``now`` is a moment of the monotonic clock.
    """
    recent = since(recording, now - RECENT)
    parts: list[RenderableType] = [
        _head(recording, now),
        Text(""),
        _loads(recording, now),
        Text(""),
        _nodes(recording, now),
        Text(""),
    ]
    lines = timeline(recent, verdict(recent))
    room = max(height - _height(recording), 0)
    # Longer lines would be folded, and push others out.
    short = [msgspec.structs.replace(x, text=x.text[: max(width - 12, 1)]) for x in lines]
    last = short[len(short) - min(room, len(short)) :]
    return Group(*parts, printed(last, recording.began))


def since(recording: Recording, moment: float) -> Recording:
    """Return what was seen from a moment on; tasks and faults are as they were.

    Requests are in order of their ends, as loads keep them.
    """
    return msgspec.structs.replace(
        recording,
        began=max(moment, recording.began),
        loads=tuple(
            msgspec.structs.replace(load, requests=_since(load, moment)) for load in recording.loads
        ),
        views=tuple(
            msgspec.structs.replace(view, spans=view.spans[_place(view, moment) :])
            for view in recording.views
        ),
    )


def _since(load: Load, moment: float) -> tuple[Request, ...]:
    return load.requests[bisect_left(load.requests, moment, key=lambda r: r.end) :]


def _place(view: View, moment: float) -> int:
    return bisect_left(view.spans, moment, key=lambda span: span.last)


def _height(recording: Recording) -> int:
    """Return the lines of all but the last lines: head, headlines, empty lines."""
    return 1 + 1 + (1 + len(recording.loads)) + 1 + (1 + len(recording.nodes)) + 1


def _head(recording: Recording, now: float) -> Text:
    broken = [f.words for f in recording.faults if lasting(f)[0] <= now < lasting(f)[1]]
    head = Text.assemble(
        (recording.title, "bold"), f"  {now - recording.began:.0f} s  ", no_wrap=True
    )
    head.append(
        ", ".join(broken) if broken else "nothing is broken", "bold red" if broken else "green"
    )
    head.overflow = "ellipsis"
    return head


def _loads(recording: Recording, now: float) -> Table:
    table = _table("requests", "a second", "failed", "in all", "failed")
    table.add_column("answers of the last second", no_wrap=True, overflow="ellipsis", ratio=1)
    for load in recording.loads:
        last = load.requests[bisect_left(load.requests, now - SECOND, key=lambda r: r.end) :]
        bad = sum(bool(request.error) for request in last)
        all_bad = sum(bool(request.error) for request in load.requests)
        servers = Counter(r.server.partition(" ")[0] for r in last if r.server)
        table.add_row(
            load.name,
            str(len(last)),
            Text(str(bad), "red bold" if bad else "dim"),
            str(len(load.requests)),
            Text(str(all_bad), "red" if all_bad else "dim"),
            "  ".join(f"{name} {count}" for name, count in sorted(servers.items())),
        )
    return table


def _nodes(recording: Recording, now: float) -> Table:
    table = _table("node", *COLUMNS.values())
    views = {(view.node, view.what): view for view in recording.views}
    for node in recording.nodes:
        cells = []
        for what in COLUMNS:
            view = views.get((node, what))
            if view is None or not view.spans:
                cells.append(Text("-", "dim"))
                continue
            span = view.spans[-1]
            if span.status:
                cells.append(Text(span.status, "red bold"))
            elif what == "vip":
                cells.append(Text("there", "green"))
            else:
                wanted = expected(recording, node, what, now)
                words = f"{len(span.endpoints & wanted)}/{len(wanted)}"
                extra = len(span.endpoints - wanted)
                words += f" +{extra}" if extra else ""
                cells.append(Text(words, "green" if span.endpoints == wanted else "yellow bold"))
        table.add_row(node, *cells)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for other in others:
        table.add_column(other, justify="right", no_wrap=True)
    return table
