"""The reader of queries: a query or a response code for any bytes."""

from collections.abc import Callable, Iterator

import target_dns

from pointsman.dns.query import Query, name_end, read

CODES = (1, 4)
"""FORMERR and NOTIMP."""


def seeds() -> Iterator[bytes]:
    """Yield the messages of the whole server's seeds."""
    for seed in target_dns.seeds():
        yield seed[1:]


def begin() -> Callable[[bytes], None]:
    """Return a function that reads a message."""
    return take


def take(data: bytes) -> None:
    """Read a message; what was read must stand in it."""
    data = data.ljust(12, b"\0")
    query = read(data)
    if not isinstance(query, Query):
        assert query in CODES
        return
    assert data[12:].startswith(query.question)
    assert not query.question or query.question[:-4].endswith(b"\0")
    assert not query.question or name_end(data, 12) == 12 + len(query.question) - 4
    assert not any("A" <= letter <= "Z" for letter in query.name)
    assert len(query.question) <= 259
    assert 512 <= query.size <= 65_535
    assert len(query.cookie) in {0, 8, *range(16, 41)}
    assert query.tsig < len(data)
