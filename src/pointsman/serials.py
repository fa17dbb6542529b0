"""Serials that never go back, over restarts and clocks that are set (RFC 1982)."""

import logging
from pathlib import Path

from pointsman.discovery import files
from pointsman.discovery.errors import Transient
from pointsman.dns.journal import WHOLE, newer

log = logging.getLogger("pointsman.serials")

AHEAD = 20_000
"""Serials that are reserved at once, so that the file is not written at each change."""


class Serials:
    """Remembers on disk a serial that no zone has reached."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = self._read()
        """One that comes after all that were in use."""
        self._reserved: int | None = None
        """The one on disk, once something was put there."""

    def first(self, now: float) -> int:
        """Return the serial that zones begin with: the time, unless that has been passed."""
        clock = int(now) % WHOLE
        return clock if self._next is None or newer(clock, self._next) else self._next

    def use(self, serial: int) -> bool:
        """Note that a serial is in use; return whether it is time to `reserve` more."""
        self._next = (serial + 1) % WHOLE
        return self._reserved is None or not newer(self._reserved, serial + AHEAD // 2)

    def reserve(self) -> None:
        """Put a serial on disk that is not reached soon."""
        assert self._next is not None
        self._reserved = (self._next + AHEAD) % WHOLE
        try:
            files.replace(self._path, [b"%d\n" % self._reserved])
        except Transient as error:
            log.warning("%s; after a restart secondaries might take the zone for an old one", error)

    def _read(self) -> int | None:
        try:
            return int(self._path.read_text()) % WHOLE
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s: %s; serials begin at the time of day", self._path, error)
            return None
