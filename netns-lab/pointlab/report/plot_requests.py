"""The lanes of a load: how long its requests took, which failed, and who answered."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape

from pointlab.report.svg import GUTTER, WIDTH, Block, Scale, cells, label, number, rect, text
from pointlab.watch.recording import Load, Request

BINS = 220
FASTEST, SLOWEST = 0.0003, 10.0
"""Seconds at the foot and at the head of the latencies."""
LEVELS = 18
CELL = 4.0
FAILED = 22.0
RATE = 52.0
SHADES = (1, 0.25, 0.06, 0)
"""Shares of the fullest cell from which on a cell is as dark."""
COLOURS = 7
"""Of servers; further ones take them in turn."""
MOST_NAMES = 8


def requests(load: Load, scale: Scale, late: set[int]) -> Block:
    """Draw a load; ``late`` are the ids of its requests that failed without excuse."""
    if not load.requests:
        return Block((), 0.0)
    latency = _latencies(load.requests, scale)
    failed = _failed(load.requests, scale, late)
    rate, names = _servers(load.requests, scale)
    top = 18.0
    below = top + latency.height + 4
    last = below + failed.height + 6
    shapes = (
        text(GUTTER, 11, f"{load.name}, balanced by {load.director}", "label strong"),
        f'<g transform="translate(0 {number(top)})">{"".join(latency.shapes)}</g>',
        f'<g transform="translate(0 {number(below)})">{"".join(failed.shapes)}</g>',
        f'<g transform="translate(0 {number(last)})">{"".join(rate.shapes)}{names}</g>',
    )
    return Block(shapes, last + rate.height + (18 if names else 0))


def _bin(at: float, scale: Scale) -> int:
    share = (at - scale.began) / max(scale.ended - scale.began, 1e-9)
    return min(max(int(share * BINS), 0), BINS - 1)


def _x(place: float) -> float:
    return GUTTER + WIDTH * place / BINS


def _level(seconds: float) -> int:
    """Return the row of a latency, from the foot."""
    share = math.log(max(seconds, FASTEST) / FASTEST) / math.log(SLOWEST / FASTEST)
    return min(int(share * LEVELS), LEVELS - 1)


def _latencies(all_: Sequence[Request], scale: Scale) -> Block:
    height = LEVELS * CELL
    counts = Counter((_bin(r.start, scale), _level(r.end - r.start)) for r in all_ if not r.error)
    most = max(counts.values(), default=1)
    shades = defaultdict(list)
    for (place, level), count in counts.items():
        shade = next(n for n, least in enumerate(SHADES) if count >= least * most)
        shades[shade].append((_x(place), height - (level + 1) * CELL))
    shapes = [rect(GUTTER, 0, WIDTH, height, "pane")]
    for seconds, words in ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1, "1 s")):
        share = math.log(seconds / FASTEST) / math.log(SLOWEST / FASTEST)
        shapes.append(text(GUTTER - 7, height * (1 - share) + 4, words, "small", "end"))
    shapes.append(text(0, 12, "time of answers", "small"))
    width = WIDTH / BINS
    shapes += [cells(sorted(shades[n]), width, CELL, f"heat{n}") for n in sorted(shades)]
    return Block(tuple(shapes), height)


def _failed(all_: Sequence[Request], scale: Scale, late: set[int]) -> Block:
    """Draw per moment the share of the requests that failed: with excuse, and without on top."""
    sent: Counter[int] = Counter()
    excused: Counter[int] = Counter()
    unexcused: Counter[int] = Counter()
    for request in all_:
        place = _bin(request.start, scale)
        sent[place] += 1
        if request.error:
            (unexcused if id(request) in late else excused)[place] += 1
    shapes = [label(14, "failed", "small"), rect(GUTTER, 0, WIDTH, FAILED, "pane")]
    for place in sorted(excused.keys() | unexcused.keys()):
        x, width = _x(place), WIDTH / BINS
        good = FAILED * excused[place] / sent[place]
        bad = FAILED * unexcused[place] / sent[place]
        of = f"of {sent[place]} requests"
        if excused[place]:
            title = f"{excused[place]} {of} failed, with excuse"
            good = max(good, 3)
            shapes.append(rect(x, FAILED - good, width, good, "excused-requests", title))
        if unexcused[place]:
            title = f"{unexcused[place]} {of} failed without excuse"
            shapes.append(rect(x - 1, 0, width + 2, max(bad, 8), "late-requests", title))
    return Block(tuple(shapes), FAILED)


def _servers(all_: Sequence[Request], scale: Scale) -> tuple[Block, str]:
    """Draw the answers a second by server, on each other; return their names too if few."""
    seconds = (scale.ended - scale.began) / BINS
    wide = max(1, math.ceil(0.6 / seconds))  # so that a bin has some of a slow load
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for request in all_:
        if request.server:
            counts[request.server][_bin(request.start, scale) // wide] += 1
    totals: Counter[int] = Counter()
    for one in counts.values():
        totals.update(one)
    most = max(totals.values(), default=1)
    shapes = [
        text(0, 12, "answers a second", "small"),
        text(GUTTER - 7, 10, f"{most / wide / seconds:.0f}", "small", "end"),
        rect(GUTTER, 0, WIDTH, RATE, "pane"),
    ]
    base: Counter[int] = Counter()
    names = sorted(counts, key=lambda name: (min(counts[name]), name))
    for index, name in enumerate(names):
        path = ""
        for place, count in sorted(counts[name].items()):
            x, end = _x(place * wide), min(_x((place + 1) * wide), GUTTER + WIDTH)
            high = RATE * count / most
            y = RATE - RATE * base[place] / most - high
            path += f"M{number(x)} {number(y)}H{number(end)}v{number(high)}H{number(x)}z"
            base[place] += count
        title = f"{name}: {sum(counts[name].values())} answers"
        shapes.append(
            f'<path class="server{index % COLOURS}" d="{path}">'
            f"<title>{escape(title)}</title></path>"
        )
    return Block(tuple(shapes), RATE), _names(names) if len(names) <= MOST_NAMES else ""


def _names(names: Sequence[str]) -> str:
    found, x = [], GUTTER
    for index, name in enumerate(names):
        short = name.partition(" ")[0]
        found.append(rect(x, RATE + 7, 9, 9, f"server{index % COLOURS}"))
        found.append(text(x + 13, RATE + 15, short, "small"))
        x += 26 + len(short) * 6.6
    return "".join(found)
