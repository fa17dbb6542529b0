"""Answers: what is compiled of them once, and how a whole message is put together."""

import random
import struct
from collections.abc import Iterable, Iterator
from itertools import cycle, repeat
from typing import NamedTuple, TypeAlias

from pointsman.dns import wire
from pointsman.dns.query import Query, name_end

HEAD = struct.Struct("!HHHHH")
"""A header behind its id: flags, and how many records each section has."""

_MOST_READY = 2_048
"""Octets of an answer in all its turns, up to which these are put together at once."""

Cells: TypeAlias = tuple[list[int], list[int], list[int]]
"""Where an answer is counted: over UDP, over TCP, and without its records."""


class Ready:
    """An answer but for id, question and the order of its records."""

    __slots__ = (
        "additional",
        "authority",
        "cells",
        "counts",
        "learnt",
        "next",
        "records",
        "starts",
        "targets",
        "total",
    )

    def __init__(
        self,
        answers: list[bytes],
        authority: list[bytes],
        additional: list[bytes],
        targets: Iterable[str] = (),
        cells: Cells = ([0], [0], [0]),
    ) -> None:
        """``targets`` are the names whose addresses it carries."""
        self.records = b"".join(answers) * 2  # twice, so that each rotation is one slice
        self.total = len(self.records) // 2
        self.starts = [0]
        for answer in answers[:-1]:
            self.starts.append(self.starts[-1] + len(answer))
        # Where the turn begins is left to chance: answers are made anew at each change.
        self.next = random.randrange(len(answers)) if len(answers) > 1 else 0
        self.authority = b"".join(authority)
        self.additional = b"".join(additional)
        self.counts = (len(answers), len(authority), len(additional))
        self.targets = targets
        self.cells = cells
        self.learnt: list[bytes] = []
        """The questions, as they come, for which whole answers are kept."""

    def rotated(self) -> bytes:
        """Return the records, beginning with the next one in turn (RFC 1794)."""
        start = self.starts[self.next]
        self.next = self.next + 1 if self.next + 1 < len(self.starts) else 0
        return self.records[start : start + self.total]


EMPTY = Ready([], [], [])


class Parts(NamedTuple):
    """What a whole answer is made of, but for its id."""

    question: bytes
    flags: int
    ready: Ready
    opt: bytes
    most: int
    """Octets that the client takes."""


def opt(size: int, dnssec: int = 0, extended: int = 0, options: bytes = b"") -> bytes:
    """Return an OPT record; ``extended`` is the upper eight bits of the response code."""
    head = b"\0" + struct.pack("!HHBBBB", wire.OPT, size, extended, 0, dnssec, 0)
    return head + len(options).to_bytes(2) + options


def around(parts: Parts) -> tuple[bytes, bytes] | None:
    """Return what stands before and behind the records of an answer; None if they don't fit.

    Whole rrsets are left out to fit: extra help that doesn't is no truncation (RFC 2181
    section 9).
    """
    question, flags, ready, opt_, most = parts
    answers, authority, additional = ready.counts
    room = most - 12 - len(question) - len(opt_) - ready.total - len(ready.authority)
    if room < 0:
        return None
    tail = ready.authority
    if len(ready.additional) <= room:
        tail += ready.additional
    else:
        additional = 0
    counts = answers, authority, additional + (1 if opt_ else 0)
    return HEAD.pack(flags, 1, *counts) + question, tail + opt_


def body(parts: Parts) -> bytes:
    """Return an answer behind its id; one whose records don't fit has the flag TC instead."""
    found = around(parts)
    if found is None:
        # Without its records an answer is of use only as a sign to come by TCP.
        counts = 1, 0, 0, 1 if parts.opt else 0
        return HEAD.pack(parts.flags | wire.TC, *counts) + parts.question + parts.opt
    return found[0] + parts.ready.rotated() + found[1]


def bodies(parts: Parts, most: int) -> Iterator[bytes] | None:
    """Return the answers in turn for ever, each behind its id; None for more octets than these."""
    found = around(parts)
    if found is None or len(parts.ready.starts) == 1:
        first = body(parts)
        return repeat(first) if len(first) <= most else None
    size = sum(map(len, found)) + parts.ready.total
    if size > most:
        return None
    turns = _turns(parts.ready, *found)
    count = len(parts.ready.starts)
    return cycle([next(turns) for _ in range(count)]) if size * count <= _MOST_READY else turns


def _turns(ready: Ready, head: bytes, tail: bytes) -> Iterator[bytes]:
    records, total = ready.records, ready.total
    starts = ready.starts[ready.next :] + ready.starts[: ready.next]
    while True:
        for start in starts:
            yield head + records[start : start + total] + tail


def cell(parts: Parts, *, tcp: bool) -> list[int]:
    """Return where an answer is counted."""
    return parts.ready.cells[2 if around(parts) is None else tcp]


def assembled(query: Query, flags: int, ready: Ready) -> bytes:
    """Return the whole answer to a query."""
    return query.data[:2] + body(Parts(query.question, flags, ready, query.opt, query.most))


def bare(query: Query, flags: int) -> bytes:
    """Return an answer without records, but for OPT."""
    return assembled(query, flags, EMPTY)


def failed(data: bytes, code: int) -> bytes:
    """Answer what can't be read, or not be done, with its header alone."""
    (flags,) = struct.unpack_from("!H", data, 2)
    kept = flags & (0x7800 | wire.RD)
    return data[:2] + HEAD.pack(wire.QR | kept | code, 0, 0, 0, 0)


def truncated(answer: bytes) -> bytes:
    """Return an answer without what it says: come by TCP. It is never longer than its query."""
    (flags,) = struct.unpack_from("!H", answer, 2)
    if answer[4:6] == b"\0\0":  # an error that has no question
        return answer[:2] + HEAD.pack(flags | wire.TC, 0, 0, 0, 0)
    end = name_end(answer, 12) + 4
    return answer[:2] + HEAD.pack(flags | wire.TC, 1, 0, 0, 0) + answer[12:end]
