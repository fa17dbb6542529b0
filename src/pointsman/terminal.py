"""How things are shown to people: tables, and colours where there is a terminal that has them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TextIO, TypeAlias

import msgspec

Tone: TypeAlias = Literal["", "heading", "good", "warning", "bad", "faint"]

_CODES: Mapping[Tone, str] = {
    "heading": "1",
    "good": "32",
    "warning": "33",
    "bad": "31",
    "faint": "2",
}
"""Parameters of SGR (ECMA-48 section 8.3.117), of the eight colours that every terminal has."""

CLEAR = "\x1b[H\x1b[J"
"""Goes to the upper left and erases all from there."""


class Cell(msgspec.Struct, frozen=True):
    """What stands in a table."""

    text: str
    tone: Tone = ""
    right: bool = False
    """Numbers stand below each other by their last digit."""


def has_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a stream is a terminal that takes colours from us (https://no-color.org)."""
    return is_terminal(stream, environ) and not environ.get("NO_COLOR")


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a stream is a terminal that knows how to move its cursor."""
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


def toned(text: str, tone: Tone, *, colours: bool) -> str:
    """Return a text in its colour, or as it is."""
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m" if colours and tone and text else text


def table(rows: Iterable[Sequence[Cell]], *, colours: bool) -> list[str]:
    """Return rows of as many cells each as lines, the columns two spaces apart."""
    rows = tuple(rows)
    widths = [max(len(row[at].text) for row in rows) for at in range(len(rows[0]))] if rows else ()
    return [_line(row, widths, colours=colours) for row in rows]


def _line(row: Sequence[Cell], widths: Sequence[int], *, colours: bool) -> str:
    last = max((at for at, cell in enumerate(row) if cell.text), default=-1)
    parts = []
    for at, (cell, width) in enumerate(zip(row[: last + 1], widths, strict=False)):
        gap = " " * (width - len(cell.text))
        text = toned(cell.text, cell.tone, colours=colours)
        parts.append(gap + text if cell.right else text + gap * (at < last))
    return "  ".join(parts)
