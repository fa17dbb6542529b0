"""The lanes of a recording: what was broken, the tasks, and how each node saw them."""

from collections.abc import Iterator, Mapping, Set
from html import escape
from itertools import pairwise

import msgspec

from pointlab.judge.truth import cannot_follow, course, hurt, lasting, serves
from pointlab.report.plot_requests import requests
from pointlab.report.svg import (
    BOLD,
    GUTTER,
    LETTER,
    WHOLE,
    WIDTH,
    Block,
    Scale,
    label,
    line,
    number,
    packed,
    rect,
    stacked,
    text,
)
from pointlab.watch.recording import Endpoint, Fault, Recording, Span, Task, View

ROW = 19.0
"""Height of a bar's row."""
LANE = 15.0
"""Height of a view's lane."""
MOST_ROWS = 8
"""Rows of faults with their words; where it takes more they stand in the titles alone."""
MOST_LINES = 40
"""Faults whose moments are drawn through all lanes."""
MOST_TITLES = 250
"""Pieces of a lane that say what they are; more are drawn as few shapes."""
BRIEF = 1.0
"""Seconds: what lasts less is drawn lower."""
LEAST = 1.6
"""Width of what must be seen."""
AXIS = 22.0


def chart(recording: Recording, late: dict[str, set[int]], name: str) -> str:
    """Return the drawing; ``name`` is its id, ``late`` are the ids of late requests by load."""
    scale = Scale(recording.began, recording.ended)
    blocks = [
        faults(recording, scale),
        tasks(recording, scale),
        *nodes(recording, scale),
        *(requests(load, scale, late.get(load.name, set())) for load in recording.loads),
    ]
    body = stacked([block for block in blocks if block.height], 16)
    height = body.height + 2 * AXIS + 8
    behind = [
        *(line(x, AXIS, x, height - AXIS, "grid") for x, _ in scale.ticks()),
        *(
            line(scale.x(f.at), AXIS, scale.x(f.at), height - AXIS, "broke")
            for f in recording.faults
            if scale.shows(f.at, f.at) and len(recording.faults) <= MOST_LINES
        ),
    ]
    axis = [
        text(x, y, words, "tick", "middle") for x, words in scale.ticks() for y in (12, height - 6)
    ]
    return (
        f'<svg viewBox="0 0 {number(WHOLE)} {number(height)}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(recording.title)}</title>'
        f'<desc id="{name}-desc">{escape(_described(recording))}</desc>'
        f"{''.join(behind)}{''.join(axis)}"
        f'<g transform="translate(0 {number(AXIS + 4)})">{"".join(body.shapes)}</g></svg>'
    )


PATTERNS = (
    '<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="hatch-back" width="5" height="5"/>'
    '<rect class="hatch-line" width="1.6" height="5"/></pattern>'
    '<pattern id="excused" width="4" height="4" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(-45)"><rect class="excused-back" width="4" height="4"/>'
    '<rect class="excused-line" width="1.8" height="4"/></pattern>'
    "</defs></svg>"
)
"""What charts fill some shapes with; once in a document."""


def _described(recording: Recording) -> str:
    seconds = recording.ended - recording.began
    return (
        f"Over {seconds:.0f} seconds: {len(recording.faults)} faults, {len(recording.tasks)} "
        f"tasks, what the kernels and DNS of {len(recording.nodes)} nodes held, and the requests "
        f"of {len(recording.loads)} loads. The timeline below says the same in words."
    )


def faults(recording: Recording, scale: Scale) -> Block:
    """Draw what was broken, each with its words."""
    shown = [f for f in recording.faults if scale.shows(*lasting(f))]
    items = sorted(((*_bar(f, scale), f) for f in shown), key=lambda item: item[0])
    wide = [(x, end + (0 if _fits(f, x, end) else _long(f)) + 6, f) for x, end, f in items]
    rows = list(packed(wide))
    worded = max((row for row, _ in rows), default=0) < MOST_ROWS
    if not worded:
        rows = list(packed(items))
    shapes = [label(13, "broken", "label strong")] if rows else []
    for row, fault in rows:
        x, end = _bar(fault, scale)
        y = row * ROW
        until = "to the end" if fault.until is None else f"for {fault.until - fault.at:.2f} s"
        title = f"{fault.words}, from {fault.at - recording.began:.2f} s {until}"
        kind = "fault blind" if fault.blind else "fault"
        shapes.append(rect(x, y + 1, end - x, ROW - 4, kind, title))
        if worded:
            if _fits(fault, x, end):
                shapes.append(text(x + 5, y + 12.5, fault.words, "on-bar"))
            elif GUTTER + WIDTH - end > _long(fault):
                shapes.append(text(end + 4, y + 12.5, fault.words, "beside"))
            else:
                shapes.append(text(x - 4, y + 12.5, fault.words, "beside", "end"))
    return Block(tuple(shapes), (max(row for row, _ in rows) + 1) * ROW if rows else 0.0)


def _long(fault: Fault) -> float:
    return len(fault.words) * LETTER + 4


def _fits(fault: Fault, x: float, end: float) -> bool:
    return end - x > len(fault.words) * BOLD + 10


def _bar(fault: Fault, scale: Scale) -> tuple[float, float]:
    since, until = lasting(fault)
    x = scale.x(since)
    return x, max(scale.x(until), x + 3)


def tasks(recording: Recording, scale: Scale) -> Block:
    """Draw the tasks, coloured by what Mesos said of them."""
    lives = []
    for task in recording.tasks:
        states = [s for s in _states(task) if scale.shows(s[0], s[1])]
        if states:
            lives.append((states[0][0], states[-1][1], (task, states)))
    rows = list(packed(sorted(lives, key=lambda life: life[:2])))
    shapes = [label(13, "tasks", "label strong")] if rows else []
    for row, (task, states) in rows:
        y = row * ROW
        for since, until, state in states:
            x, end = scale.x(since), scale.x(until)
            title = f"{task.id} on {task.agent}: {state} from {since - recording.began:.2f} s"
            shapes.append(rect(x, y + 1, max(end - x, 1), ROW - 4, f"task {state}", title))
        x, end = scale.x(states[0][0]), scale.x(states[-1][1])
        words = f"{task.id} on {task.agent}"
        if fit := next((w for w in (words, task.id) if len(w) * LETTER < end - x - 8), ""):
            shapes.append(text(x + 5, y + 12.5, fit, "on-task"))
    return Block(tuple(shapes), (max(row for row, _ in rows) + 1) * ROW if rows else 0.0)


def _states(task: Task) -> Iterator[tuple[float, float, str]]:
    """Yield what a task was, from when to when, until it ended."""
    ends = [moment.at for moment in task.moments[1:]] + [float("inf")]
    for moment, until in zip(task.moments, ends, strict=True):
        if serves(task, moment):
            yield moment.at, until, "serving"
        elif moment.state == "TASK_RUNNING":
            yield moment.at, until, "starting" if moment.healthy is None else "unhealthy"
        elif moment.state in ("TASK_STAGING", "TASK_STARTING"):
            yield moment.at, until, "starting"
        elif moment.state == "TASK_KILLING":
            yield moment.at, until, "draining"
        elif moment.state in ("TASK_UNREACHABLE", "TASK_LOST") and until != float("inf"):
            yield moment.at, until, "unreachable"


def nodes(recording: Recording, scale: Scale) -> list[Block]:
    """Draw what each node's kernel and DNS held, and where that was not as the tasks were."""
    most = max(
        (len(s.endpoints) for v in recording.views if v.what != "vip" for s in v.spans), default=1
    )
    found = []
    for node in recording.nodes:
        shapes = [label(LANE + 4, node, "label strong")]
        y = 0.0
        for view in recording.views:
            if view.node == node and view.what in ("kernel", "srv"):
                word = "kernel" if view.what == "kernel" else "DNS"
                lane = _lane(recording, view, scale, most, word)
                shapes.append(text(GUTTER - 7, y + 11.5, word, "small", "end"))
                shapes.append(f'<g transform="translate(0 {number(y)})">{"".join(lane)}</g>')
                y += LANE + 2
        shapes[0] = text(0, LANE + 5, node, "label strong")
        found.append(Block(tuple(shapes), y))
    return [stacked(found, 7)] if found else []


def _lane(recording: Recording, view: View, scale: Scale, most: int, word: str) -> list[str]:
    segments = _segments(recording, view)
    titled = len(segments) <= MOST_TITLES
    grouped: dict[str, list[str]] = {}
    words = []
    # What differs is drawn last, so that the least of it is seen.
    for one in sorted(segments, key=lambda one: one.kind in ("differs", "excused")):
        x, end = scale.x(one.since), scale.x(one.until)
        level = f" level{_level(one.count, most)}" if one.kind == "agrees" else ""
        brief = min((one.until - one.since) / BRIEF, 1) if one.kind == "differs" else 1
        high = max(brief * (LANE - 1), 4)
        width = max(end - x, LEAST)
        shapes = grouped.setdefault(f"view {one.kind}{level}", [])
        if titled:
            title = f"{word} of {view.node}, {one.since - recording.began:.2f} to "
            title += f"{one.until - recording.began:.2f} s: {one.said}"
            shapes.append(rect(x, LANE - 1 - high, width, high, f"view {one.kind}{level}", title))
        else:
            box = f"h{number(width)}v{number(high)}h-{number(width)}z"
            shapes.append(f"M{number(x)} {number(LANE - 1 - high)}{box}")
        if end - x > 16 and one.kind != "silent":
            words.append(text((x + end) / 2, 11.5, str(one.count), "count", "middle"))
    if not titled:
        return [f'<path class="{k}" d="{"".join(those)}"/>' for k, those in grouped.items()]
    return [*(shape for those in grouped.values() for shape in those), *words]


def _level(count: int, most: int) -> int:
    return max(1, round(4 * count / max(most, 1))) if count else 0


class Segment(msgspec.Struct, frozen=True):
    """From when to when a view was the same beside what was so."""

    since: float
    until: float
    kind: str
    """``agrees``, ``differs``, ``excused`` (differs and could not know) or ``silent``."""
    count: int
    said: str


def _segments(recording: Recording, view: View) -> list[Segment]:
    if not view.spans:
        return []
    holes = cannot_follow(recording, view.node)
    should, broken = course(recording, view.node, view.what), hurt(recording)
    names = {one: task.id for task in recording.tasks for one in task.endpoints}
    start = view.spans[0].first
    edges = {span.first for span in view.spans} | {moment for hole in holes for moment in hole}
    edges |= {*should.times, *broken.times}
    found: list[Segment] = []
    spans = iter(view.spans)
    span, after = next(spans), next(spans, None)
    inside = sorted(x for x in edges if start < x < recording.ended)
    for since, until in pairwise([start, *inside, recording.ended]):
        while after and after.first <= since:
            span, after = after, next(spans, None)
        kind, said = _kind(span, should.at(since), broken.at(since), names)
        if kind == "differs" and any(begin <= since < end for begin, end in holes):
            kind = "excused"
        one = Segment(since, until, kind, len(span.endpoints), said)
        if found and (found[-1].kind, found[-1].count, found[-1].said) == (
            one.kind,
            one.count,
            one.said,
        ):
            one = msgspec.structs.replace(one, since=found.pop().since)
        found.append(one)
    return found


def _kind(
    span: Span,
    should: frozenset[Endpoint],
    broken: frozenset[Endpoint],
    names: Mapping[Endpoint, str],
) -> tuple[str, str]:
    """Tell how a view is beside what should be, and say it; what is broken may be there or not."""
    if span.status not in ("", "no real server", "empty"):
        return "silent", span.status
    lacks, extra = should - span.endpoints - broken, span.endpoints - should - broken
    if not lacks and not extra:
        return "agrees", f"{len(span.endpoints)} instances, as the tasks are"
    words = [
        f"{verb} {_listed(names, those)}"
        for verb, those in (("lacks", lacks), ("still has", extra))
        if those
    ]
    return "differs", ", ".join(words)


def _listed(names: Mapping[Endpoint, str], those: Set[Endpoint]) -> str:
    return " and ".join(sorted({names.get(one, f"{one[0]}:{one[1]}") for one in those}))
