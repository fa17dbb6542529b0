"""Records from a file: of what does not run on Mesos."""

import re
from collections.abc import Iterator

from pointsman.dns import names, wire
from pointsman.dns.records import Record

TYPES = ("A", "AAAA", "PTR", "SRV", "TXT")


def parse(text: str, apex: str, ttl: int) -> Iterator[Record]:
    """Yield the records of a file: ``NAME [TTL] TYPE DATA`` a line, ``#`` begins a comment.

    A name without a dot at its end is relative to ``apex``. Raises ValueError, with the number
    of the line, for what is no such record.
    """
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        try:
            yield _record(line, apex, ttl)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _record(line: str, apex: str, ttl: int) -> Record:
    found = re.fullmatch(r"(\S+)\s+(?:(\d+)\s+)?([A-Za-z]+)\s+(.+)", line)
    if not found:
        raise ValueError("is not NAME [TTL] TYPE DATA")
    name, type_ = _absolute(found[1], apex), found[3].upper()
    if type_ not in TYPES:
        raise ValueError(f"{found[3]!r} is none of {', '.join(TYPES)}")
    if problem := names.servable(name):
        raise ValueError(problem)
    data = " ".join(found[4].split())
    if type_ in ("PTR", "SRV"):
        head, space, target = data.rpartition(" ")
        data = head + space + _absolute(target, apex)
    try:
        wire.data(type_, data)
    except Exception as error:
        raise ValueError(f"{data!r} is no data of type {type_}") from error
    return Record(name, type_, data, int(found[2]) if found[2] else ttl)


def _absolute(name: str, apex: str) -> str:
    lower = name.lower()
    return lower if lower.endswith(".") else f"{lower}.{apex}"
