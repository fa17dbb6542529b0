"""How mesos-dns makes DNS names out of the names and ids of tasks, frameworks and agents.

The rules are those of mesos-dns 0.8 (``records/labels/labels.go``, ``records/generator.go``), so
that the same state gives the same names.
"""

import hashlib
import re
from functools import lru_cache

MOST = 63
"""Octets in a label (RFC 1035 section 2.3.4)."""

MOST_RFC952 = 24
"""Letters in a host name of RFC 952."""

MOST_NAME = 255
"""Octets of a name in wire form (RFC 1035 section 2.3.4)."""

_KEPT = {ord(c): c for c in "abcdefghijklmnopqrstuvwxyz0123456789-"}
_KEPT |= {ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_KEPT |= {ord(c): "-" for c in "._"}

_SERVABLE = re.compile(r"""(?:[!#%-'*-\-/-:<-?A-\[\]-~]{1,63}\.)+""")
"""Any printable ASCII but space, dot and what has a meaning in zone files."""

_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


@lru_cache(maxsize=16_384)
def label(text: str, *, rfc952: bool = False) -> str:
    """Return the text as one label, "" when nothing of it is left.

    Letters are made small; "-", "." and "_" become "-"; all else is dropped. At the start "-" is
    dropped (with ``rfc952`` digits too), then what is over the limit; where "-" is then dropped at
    the end, as many letters move up from behind the limit.
    """
    most, first = (MOST_RFC952, "-0123456789") if rfc952 else (MOST, "-")
    kept = "".join(_KEPT.get(ord(c), "") for c in text).lstrip(first)
    head = kept[:most].rstrip("-")
    dropped = min(len(kept), most) - len(head)
    return head + kept[most:].lstrip("-")[:dropped]


@lru_cache(maxsize=1_024)
def fragment(text: str, *, rfc952: bool = False) -> str:
    """Return a framework's name as labels joined by dots; parts of which nothing is left go."""
    return ".".join(filter(None, (label(part, rfc952=rfc952) for part in text.split("."))))


def task_hash(task_id: str) -> str:
    """Return five letters that stand for a task id: the first 25 bits of its SHA-1 in z-base-32."""
    bits = int.from_bytes(hashlib.sha1(task_id.encode()).digest()[:4]) >> 7
    return "".join(_ZBASE32[bits >> shift & 31] for shift in (20, 15, 10, 5, 0))


def agent_tail(agent_id: str) -> str:
    """Return what follows the last "-" of an agent's id, in small letters: ``s12``."""
    return agent_id.rpartition("-")[2].lower()


def canonical(task: str, task_id: str, agent_id: str) -> str:
    """Return the label of one instance, ``web-iffe9-s12``.

    Where it would be longer than a label may be, the task's part is cut: mesos-dns keeps it and
    then can't answer for any instance of the service.
    """
    tail = f"-{task_hash(task_id)}-{agent_tail(agent_id)}"
    rest, dot, last = task.rpartition(".")
    return rest + dot + last[: MOST - len(tail)].rstrip("-") + tail


def is_reserved(name: str) -> bool:
    """Tell whether a name directly below the zone is one of the cluster's own."""
    return name in ("leader", "master", "slave", "ns1") or (
        name.startswith("master") and name.removeprefix("master").isdigit()
    )


def servable(name: str) -> str:
    """Return why an absolute name can't be served, "" when it can."""
    if _SERVABLE.fullmatch(name) and len(name) < MOST_NAME:
        return ""
    if len(name) + 1 > MOST_NAME:
        return f"the name {name[:40]}… is longer than {MOST_NAME} octets"
    for part in name.removesuffix(".").split("."):
        if not part:
            return f"the name {name} has an empty label"
        if len(part) > MOST:
            return f"the label {part[:20]}… is longer than {MOST} octets"
        if not part.isascii() or not part.isprintable() or set(part) & set(' "\\;()@$'):
            return f"the label {part!r} has characters that are not for names"
    return ""
