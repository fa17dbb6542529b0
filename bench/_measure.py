"""What several measurements share."""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

ROWS = "POINTSMAN_BENCH_ROWS"
"""Variable with the name of the file for comparisons."""


class Beat:
    """Notices how long the event loop was held."""

    def __init__(self) -> None:
        self.worst = 0.0
        """Seconds."""

    async def run(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.worst = max(self.worst, now - last - 0.001)
            last = now


def memory(key: str) -> int:
    """Return bytes of memory of this process: VmRSS now, VmHWM at most (proc(5))."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{key}:")[2].split()[0]) * 1024


class Row(msgspec.Struct, frozen=True):
    """One comparison with a peer."""

    what: str
    unit: str
    ours: float
    peer: str
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times as much as Pointsman the peer takes."""
        return self.theirs / self.ours


def versus(what: str, unit: str, ours: float, peers: Mapping[str, float]) -> None:
    """Add comparisons to the file that `scripts/bench` makes its table of, if there is one."""
    if path := os.environ.get(ROWS):
        rows = (Row(what, unit, ours, peer, theirs) for peer, theirs in peers.items())
        with Path(path).open("ab") as file:
            file.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
