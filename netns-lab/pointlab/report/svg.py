"""Drawing: a time axis that lanes share, and the few shapes that they are made of."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TypeVar

import msgspec

T = TypeVar("T")

GUTTER, WIDTH, MARGIN = 150.0, 990.0, 20.0
"""Of the labels on the left, of the lanes, and of what is free on the right."""
WHOLE = GUTTER + WIDTH + MARGIN
LETTER, BOLD = 6.3, 7.3
"""Width of a letter of a label, about."""
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
MOST_TICKS = 13


class Scale(msgspec.Struct, frozen=True):
    """Where a moment is on the axis."""

    began: float
    ended: float

    def x(self, at: float) -> float:
        """Return the place of a moment; one outside is at the edge."""
        inside = min(max(at, self.began), self.ended)
        return GUTTER + WIDTH * (inside - self.began) / max(self.ended - self.began, 1e-9)

    def shows(self, since: float, until: float) -> bool:
        """Tell whether anything of it is on the axis."""
        return until >= self.began and since <= self.ended

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and words of the ticks."""
        lasts = self.ended - self.began
        step = next((s for s in STEPS if lasts / s <= MOST_TICKS), STEPS[-1])
        count = int(lasts / step + 1e-9)
        return [(self.x(self.began + n * step), _words(n * step)) for n in range(count + 1)]


class Block(msgspec.Struct, frozen=True):
    """Shapes from 0 downwards, and how high they are."""

    shapes: tuple[str, ...]
    height: float


def _words(seconds: float) -> str:
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:g} s"


def number(value: float) -> str:
    """Write a coordinate, shortly."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """Return a rectangle; ``kind`` is its class, ``title`` says more of it."""
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    if not title:
        return f'<rect class="{kind}" {place}/>'
    return f'<rect class="{kind}" {place}><title>{escape(title)}</title></rect>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    """Return words; ``anchor`` is ``end`` or ``middle``, else they begin at x."""
    more = f' class="{kind}"' if kind else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line."""
    return (
        f'<line class="{kind}" x1="{number(x1)}" y1="{number(y1)}" '
        f'x2="{number(x2)}" y2="{number(y2)}"/>'
    )


def label(y: float, words: str, kind: str = "label") -> str:
    """Return a lane's label."""
    return text(GUTTER - 10, y, words, kind, "end")


def cells(places: Iterable[tuple[float, float]], width: float, height: float, kind: str) -> str:
    """Return many rectangles of one size as one shape."""
    box = f"h{number(width)}v{number(height)}h-{number(width)}z"
    path = "".join(f"M{number(x)} {number(y)}{box}" for x, y in places)
    return f'<path class="{kind}" d="{path}"/>' if path else ""


def stacked(blocks: Iterable[Block], gap: float) -> Block:
    """Put blocks below each other."""
    shapes: list[str] = []
    y = 0.0
    for block in blocks:
        shapes.append(f'<g transform="translate(0 {number(y)})">{"".join(block.shapes)}</g>')
        y += block.height + gap
    return Block(tuple(shapes), max(y - gap, 0.0))


def packed(items: Sequence[tuple[float, float, T]]) -> Iterator[tuple[int, T]]:
    """Yield each item with the first row in which it meets none before it.

    They are begin, end, and item, in order of begin.
    """
    ends: list[float] = []
    for since, until, item in items:
        row = next((n for n, end in enumerate(ends) if end <= since), len(ends))
        if row == len(ends):
            ends.append(until)
        ends[row] = until
        yield row, item
