"""Takes the cluster from a file, anew whenever it changes: for dry runs and static clusters."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pointsman.discovery import recording
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Change, Cluster, difference
from pointsman.discovery.seen import Seen

log = logging.getLogger("pointsman.discovery")

LOOK = 1.0
"""Seconds between two looks at the file."""


class StateFile:
    """Publishes what a file tells; what can't be read leaves the last good view."""

    def __init__(
        self,
        path: Path,
        begin: Cluster | None,
        publish: Callable[[Cluster, Change], None],
        seen: Seen,
        look: float = LOOK,
    ) -> None:
        self.cluster = begin
        self._unconfirmed = True
        """What is believed was only remembered until now."""
        self._path = path
        self._publish = publish
        self._seen = seen
        self._look = look

    async def run(self) -> None:
        """Follow the file for ever."""
        known: object = None
        complaint = ""
        while True:
            try:
                mark = await asyncio.to_thread(self._mark)
                if mark != known:
                    self._take(await asyncio.to_thread(read, self._path))
                    known, complaint = mark, ""
                self._seen.heard, self._seen.mode = time.time(), "file"
            except Transient as error:
                self._seen.mode = ""
                self._seen.failures += 1
                if str(error) != complaint:
                    log.warning("%s%s", error, "; the last good view stands" if known else "")
                complaint = str(error)
            await asyncio.sleep(self._look)

    def _mark(self) -> object:
        """Return what differs when the file was written, or another was put in its place."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise Transient(f"{self._path}: {error.strerror}") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _take(self, reading: Cluster) -> None:
        self._seen.readings["file"] += 1
        change = difference(self.cluster or Cluster(), reading)
        if self._unconfirmed or change:
            self._unconfirmed = False
            log.info("%s tells of %d tasks", self._path, len(reading.tasks))
            self.cluster = reading
            self._publish(reading, change)


def read(path: Path) -> Cluster:
    """Return the cluster that a file tells of; raises Transient when it can't be read."""
    try:
        return recording.read(path.read_bytes())
    except OSError as error:
        raise Transient(f"{path}: {error.strerror}") from error
    except Transient as error:
        raise Transient(f"{path}: {error}") from error
