"""Remembers, between runs, which virtual servers are ours to delete (a file)."""

from pathlib import Path

import msgspec

from pointsman.discovery import files
from pointsman.vip.addresses import Range
from pointsman.vip.model import Endpoint, Key
from pointsman.vip.sync import Daemon


class Standing(msgspec.Struct, frozen=True, gc=False, order=True):
    """Until when a real server that gets no new connections may keep those it has."""

    key: Key
    endpoint: Endpoint
    deadline: float
    """By the clock of this boot (CLOCK_MONOTONIC)."""


class Memory(msgspec.Struct, frozen=True):
    """What the file holds."""

    keys: frozenset[Key] = frozenset()
    """Virtual servers outside the ranges that a label names, or named until now."""
    ranges: frozenset[Range] = frozenset()
    """Ranges of named VIPs, as configured now and, until their servers are gone, before."""
    sysctls: dict[str, str] = {}
    """Kernel settings as they were before they were changed, to be set back."""
    timeouts: tuple[int, int, int] | None = None
    """The same of the kernel's timeouts; None when they were not changed."""
    daemons: frozenset[Daemon] = frozenset()
    """Those that were started to synchronise connections."""
    drains: frozenset[Standing] = frozenset()
    boot: str = ""
    """Of which boot the clock is that ``drains`` are told by."""

    def covers(self, key: Key) -> bool:
        """Tell whether a virtual server is ours."""
        if key in self.keys:
            return True
        return not key.fwmark and any(key.address in range_ for range_ in self.ranges)


class Owned:
    """The file, and what it holds."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that is missing or damaged remembers nothing."""
        self._path = path
        try:
            self.memory = msgspec.json.decode(path.read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            self.memory = Memory()

    def keep(self, memory: Memory) -> None:
        """Remember exactly this; does nothing when nothing changed.

        Raises Transient when the file can't be written; then nothing changed.
        """
        if memory == self.memory:
            return
        files.replace(self._path, [msgspec.json.encode(memory, order="sorted")])
        self.memory = memory
