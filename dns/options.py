"""What a task's labels say of its names: a TTL, a weight, further names."""

import msgspec

from pointsman.discovery.model import Note, Task
from pointsman.dns import names

MOST_TTL = 2_147_483_647  # RFC 2181 section 8
MOST_WEIGHT = 65_535  # RFC 2782


class Options(msgspec.Struct, frozen=True):
    """Of one task; None where its labels say nothing."""

    ttl: int | None = None
    """Label ``DNS_TTL``: seconds, for all its records."""
    weight: int | None = None
    """Label ``DNS_WEIGHT``: of its SRV records."""
    names: tuple[str, ...] = ()
    """Label ``DNS_NAMES``: further names, relative to the zone."""


def options(task: Task, framework: str) -> tuple[Options, tuple[Note, ...]]:
    """Return what the labels say; a bad one is noted and counts as not there.

    ``framework`` is its name in DNS: a further name is one label, or below the framework's own.
    """
    notes: list[Note] = []
    labels = dict(task.labels)
    where = f"task {task.id} of {task.framework}"

    def number(key: str, most: int) -> int | None:
        text = labels.get(key)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and int(text) <= most:
            return int(text)
        notes.append(Note(where, f"label {key}: {text!r} is not a number from 0 to {most}"))
        return None

    ttl, weight = number("DNS_TTL", MOST_TTL), number("DNS_WEIGHT", MOST_WEIGHT)
    further = []
    for part in filter(None, map(str.strip, labels.get("DNS_NAMES", "").split(","))):
        name = names.fragment(part)
        own = name.endswith(f".{framework}") or "." not in name
        if not name or name != part.lower():
            notes.append(Note(where, f"label DNS_NAMES: {part!r} is not a name"))
        elif not own or names.is_reserved(name):
            notes.append(Note(where, f"label DNS_NAMES: {part!r} is not for it to take"))
        else:
            further.append(name)
    return Options(ttl, weight, tuple(further)), tuple(notes)
