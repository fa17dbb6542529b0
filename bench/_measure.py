"""What several measurements share."""

import asyncio
import time
from pathlib import Path


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
