"""Reads server-sent events (WHATWG HTML, section 9.2): from lines to events."""

from collections.abc import Iterable, Iterator

import msgspec


class Sent(msgspec.Struct, frozen=True):
    """One event as it was sent."""

    id: str
    """What to ask on from when the connection ends; that of an event before, if it has none."""
    kind: str
    data: str


def events(lines: Iterable[str]) -> Iterator[Sent]:
    """Yield the events of a stream; comments, and an event that does not end, are left out.

    ``lines`` may have their ends.
    """
    identity, kind, data = "", "", list[str]()
    for line in lines:
        name, _, value = line.rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                identity = value
            case "event":
                kind = value
            case "data":
                data.append(value)
            case "" if not line.startswith(":"):
                if data:
                    yield Sent(identity, kind or "message", "\n".join(data))
                kind, data = "", []
