"""Keeps the last good Cluster on disk, so that a start needs no master (a file)."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
from immutables import Map

from pointsman.discovery import files
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Agent, Cluster, Framework, Master, Told
from pointsman.discovery.recordio import Records

VERSION = 2
"""Of the file's format; one of another version is as good as none."""

SLICE = 500
"""Tasks that are written at once, so that nothing else waits for long."""


class _Head(msgspec.Struct, frozen=True):
    """The first record: all but the tasks."""

    version: int
    leader: Master | None = None
    elected: float = 0.0
    masters: tuple[Master, ...] = ()
    agents: tuple[Agent, ...] = ()
    frameworks: tuple[Framework, ...] = ()


class Saved:
    """The file: records of JSON (RecordIO), the head, the tasks in slices, and a SHA-256 of it all.

    What was left out of the Cluster, and why, is not kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[Cluster | None, float]:
        """Return what was saved last, and when, in seconds since 1970.

        None and 0 when nothing was, or it is damaged.
        """
        try:
            when = self._path.stat().st_mtime
            first, *slices, last = map(b"".join, Records().feed(self._path.read_bytes()))
            head = msgspec.json.decode(first, type=_Head)
            if head.version != VERSION or last != _digest([first, *slices]):
                return None, 0.0
            tasks = {task.key: task for part in slices for task in _slice.decode(part)}
        except (OSError, Transient, ValueError, msgspec.DecodeError):
            return None, 0.0
        cluster = Cluster(
            leader=head.leader,
            elected=head.elected,
            masters=head.masters,
            agents=Map({agent.id: agent for agent in head.agents}),
            frameworks=Map({framework.id: framework for framework in head.frameworks}),
            tasks=Map(tasks),
        )
        return cluster, when

    def save(self, cluster: Cluster) -> None:
        """Put a Cluster in the place of the last; raises Transient when that can't be done."""
        files.replace(self._path, _records(cluster))


_slice = msgspec.json.Decoder(tuple[Told, ...])


def _records(cluster: Cluster) -> Iterator[bytes]:
    head = _Head(
        VERSION,
        cluster.leader,
        cluster.elected,
        cluster.masters,
        tuple(cluster.agents.values()),
        tuple(cluster.frameworks.values()),
    )
    digest = hashlib.sha256()
    for record in _bodies(head, cluster):
        digest.update(record)
        yield b"%d\n%b" % (len(record), record)
    last = digest.hexdigest().encode()
    yield b"%d\n%b" % (len(last), last)


def _bodies(head: _Head, cluster: Cluster) -> Iterator[bytes]:
    yield msgspec.json.encode(head)
    tasks = iter(cluster.tasks.values())
    while part := list(islice(tasks, SLICE)):
        yield msgspec.json.encode(part)


def _digest(records: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(records)).hexdigest().encode()
