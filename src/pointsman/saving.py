"""Keeps the last good view on disk, so that a restart without a master serves it."""

import asyncio
import logging
import time
from collections.abc import Callable

from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Cluster
from pointsman.discovery.saved import Saved

log = logging.getLogger("pointsman")
SAVE, SAVE_SHARE = 5.0, 0.02
"""Seconds between two savings of the view, at least, and the share of time that they may take."""


async def save(saved: Saved, current: Callable[[], Cluster | None]) -> None:
    """Save what ``current`` returns whenever that is another, from time to time and at the end."""
    kept, took = current(), 0.0
    try:
        while True:
            await asyncio.sleep(max(SAVE, took / SAVE_SHARE))
            started = time.monotonic()
            kept = await _keep(saved, current(), kept)
            took = time.monotonic() - started
    finally:
        await _keep(saved, current(), kept)


async def _keep(saved: Saved, cluster: Cluster | None, kept: Cluster | None) -> Cluster | None:
    """Save the view if it differs from the one kept; return the one that is kept then."""
    if cluster is None or cluster is kept:
        return kept
    try:
        await asyncio.to_thread(saved.save, cluster)
    except Transient as error:
        log.warning("%s; a restart without a master would serve less", error)
    return cluster
