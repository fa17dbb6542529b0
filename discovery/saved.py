"""Keeps the last good Cluster on disk, so that a start needs no master (a file)."""

import hashlib
from pathlib import Path

import msgspec

from pointsman.discovery import files
from pointsman.discovery.model import Agent, Cluster, Framework, Master, Task

VERSION = 1
"""Of the file's format; one of another version is as good as none."""


class _File(msgspec.Struct, frozen=True):
    """The body: a Cluster without its keys and notes."""

    leader: Master | None
    elected: float
    masters: tuple[Master, ...]
    agents: tuple[Agent, ...]
    frameworks: tuple[Framework, ...]
    tasks: tuple[Task, ...]


class Saved:
    """The file: a line with version and SHA-256 of the body, then the body in JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Cluster | None:
        """Return what was saved last; None when nothing was, or it is damaged."""
        try:
            head, _, body = self._path.read_bytes().partition(b"\n")
            if head != _head(body):
                return None
            file = msgspec.json.decode(body, type=_File)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return Cluster(
            leader=file.leader,
            elected=file.elected,
            masters=file.masters,
            agents={agent.id: agent for agent in file.agents},
            frameworks={framework.id: framework for framework in file.frameworks},
            tasks={task.key: task for task in file.tasks},
        )

    def save(self, cluster: Cluster) -> None:
        """Put a Cluster in the place of the last; raises Transient when that can't be done."""
        file = _File(
            cluster.leader,
            cluster.elected,
            cluster.masters,
            tuple(cluster.agents.values()),
            tuple(cluster.frameworks.values()),
            tuple(cluster.tasks.values()),
        )
        body = msgspec.json.encode(file)
        files.replace(self._path, _head(body) + b"\n" + body)


def _head(body: bytes) -> bytes:
    return f"pointsman cluster {VERSION} {hashlib.sha256(body).hexdigest()}".encode()
