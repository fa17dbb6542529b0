"""A finding of `pointsman check`, and how people read many of them."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from pointsman import terminal
from pointsman.terminal import Cell, Tone


class Finding(msgspec.Struct, frozen=True):
    """Something that is right, doubtful or wrong."""

    level: Literal["ok", "warning", "error"]
    topic: str
    """One word: ``ports``."""
    what: str
    todo: str = ""
    """What to do about it: a command, or a key. Empty for what is right."""


_TONES: Mapping[str, Tone] = {"ok": "good", "warning": "warning", "error": "bad"}


def ok(topic: str, what: str) -> Finding:
    """Return that something is right."""
    return Finding("ok", topic, what)


def warning(topic: str, what: str, todo: str) -> Finding:
    """Return that something is doubtful, or makes less work than could be."""
    return Finding("warning", topic, what, todo)


def error(topic: str, what: str, todo: str) -> Finding:
    """Return that something keeps Pointsman from its work."""
    return Finding("error", topic, what, todo)


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each level."""
    found = {"ok": 0, "warning": 0, "error": 0}
    for finding in findings:
        found[finding.level] += 1
    return found


def text(findings: Iterable[Finding], *, colours: bool = False) -> str:
    """Return findings for people: a line each, and below it what to do."""
    findings = tuple(findings)
    rows = [
        (Cell(one.level, _TONES[one.level]), Cell(one.topic), Cell(one.what)) for one in findings
    ]
    lines = []
    for line, one in zip(terminal.table(rows, colours=colours), findings, strict=True):
        lines.append(line)
        if one.todo:
            lines.append(f"         -> {one.todo}")
    return "".join(f"{line}\n" for line in lines)
