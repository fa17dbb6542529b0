"""Answers: what is compiled of them once, and how a whole message is put together."""

import random
import struct
from collections.abc import Iterable, Iterator
from itertools import cycle, repeat

from pointsman.dns import wire
from pointsman.dns.query import Query

_MOST_ROTATED = 8_192
"""Octets of all rotations of an answer, up to which they are kept ready."""


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
        cells: tuple[list[int], list[int]] = ([0], [0]),
    ) -> None:
        """``cells`` are where it is counted, for UDP and TCP; ``targets`` names it depends on."""
        self.records = b"".join(answers) * 2  # twice, so that each rotation is one slice
        self.total = len(self.records) // 2
        self.starts = [0]
        for answer in answers[:-1]:
            self.starts.append(self.starts[-1] + len(answer))
        # Where the turn begins is left to chance: answers are made anew at each change.
        self.next = random.randrange(len(self.starts))
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


def opt(size: int, dnssec: int = 0, extended: int = 0, options: bytes = b"") -> bytes:
    """Return an OPT record; ``extended`` is the upper eight bits of the response code."""
    head = b"\0" + struct.pack("!HHBBBB", wire.OPT, size, extended, 0, dnssec, 0)
    return head + len(options).to_bytes(2) + options


def assembled(query: Query, flags: int, ready: Ready) -> bytes:
    """Return the whole answer, cut at whole rrsets to what the client takes."""
    return query.data[:2] + body(query.question, flags, ready, query.opt, query.most)


def body(question: bytes, flags: int, ready: Ready, opt_: bytes, most: int) -> bytes:
    """Return an answer behind its id; one without its records has the flag TC."""
    answers, authority, additional = ready.counts
    room = most - 12 - len(question) - len(opt_)
    tail = ready.authority
    if ready.total + len(tail) > room:
        # Without its answer a message is of use only as a sign to come by TCP.
        head = struct.pack("!HHHHH", flags | wire.TC, 1, 0, 0, 1 if opt_ else 0)
        return head + question + opt_
    if ready.total + len(tail) + len(ready.additional) <= room:
        tail += ready.additional
    else:
        additional = 0  # extra help that doesn't fit is no truncation (RFC 2181 section 9)
    head = struct.pack("!HHHHH", flags, 1, answers, authority, additional + (1 if opt_ else 0))
    return head + question + ready.rotated() + tail + opt_


def bodies(
    question: bytes, flags: int, ready: Ready, opt_: bytes, most: int
) -> Iterator[bytes] | None:
    """Return an endless turn of the answers behind their id; None for too much to keep."""
    first = body(question, flags, ready, opt_, most)
    count = len(ready.starts)
    if first[0] & wire.TC >> 8 or len(first) * count > _MOST_ROTATED:
        return None
    if count == 1:
        return repeat(first)
    others = (body(question, flags, ready, opt_, most) for _ in range(count - 1))
    return cycle([first, *others])


def bare(query: Query, flags: int) -> bytes:
    """Return an answer without records, but for OPT."""
    head = struct.pack("!HHHHH", flags, 1, 0, 0, 1 if query.opt else 0)
    return query.data[:2] + head + query.question + query.opt


def failed(data: bytes, code: int) -> bytes:
    """Answer what can't be read, or not be done, with its header alone."""
    (flags,) = struct.unpack_from("!H", data, 2)
    kept = flags & (0x7800 | wire.RD)
    return data[:2] + struct.pack("!HHHHH", wire.QR | kept | code, 0, 0, 0, 0)


def truncated(data: bytes) -> bytes:
    """Return an answer, of which ``data`` is the whole, that only says to come by TCP.

    It is never longer than its query.
    """
    (flags,) = struct.unpack_from("!H", data, 2)
    end = data.index(b"\0", 12) + 5
    return data[:2] + struct.pack("!HHHHH", flags | wire.TC, 1, 0, 0, 0) + data[12:end]
