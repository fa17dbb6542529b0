"""Tells systemd that the event loop is alive; one that hangs is killed and started again."""

import asyncio
from collections.abc import Mapping

from pointsman.notify import notify


def interval(environ: Mapping[str, str], process: int) -> float | None:
    """Return the seconds from one sign of life to the next; None when nobody waits for any.

    It is half of what the service manager bears (sd_watchdog_enabled(3)).
    """
    bears, meant = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(process))
    if meant != str(process) or not bears.isdigit() or not int(bears):
        return None
    return int(bears) / 2_000_000


async def beat(every: float | None) -> None:
    """Give a sign of life every so many seconds, or none."""
    while every is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(every)
