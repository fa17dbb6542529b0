"""Has targets probed at once whose real servers get connections and answer nothing."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator

from pointsman.checking import Checking
from pointsman.discovery.errors import Transient
from pointsman.generation import Generation
from pointsman.healthcheck.model import Target
from pointsman.vip.model import Endpoint, Key
from pointsman.vip.silence import Counted, silent
from pointsman.vip.wanted import Wanted

log = logging.getLogger("pointsman.health")
IDLE = 5.0
"""Seconds between two looks whether there is something to count."""


async def suspect(serving: Callable[[], Generation | None], checking: Checking) -> None:
    """Count every ``health.passive`` seconds what the kernel tells of real servers with checks."""
    before: Counted = {}
    while True:
        generation = serving()
        pause = generation.config.health.passive if generation else 0.0
        await asyncio.sleep(pause or IDLE)
        generation = serving()
        if not pause or generation is None or generation.kernel is None:
            before = {}
            continue
        reconciler = generation.reconciler
        targets = reconciler.targets
        try:
            after = await generation.kernel.activity([key for key in targets if not key.fwmark])
        except Transient as error:
            log.debug("%s", error)
            continue
        found = frozenset(silent(before, after, targets))
        if found:
            suspects = frozenset(_targets(reconciler.views.wanted, found))
            for target in sorted(map(str, suspects)):
                log.info("%s gets connections and answers nothing: it is probed now", target)
            checking.suspect(suspects)
        before = after


def _targets(wanted: Wanted, found: Collection[tuple[Key, Endpoint]]) -> Iterator[Target]:
    """Yield how these real servers are checked."""
    for key, endpoint in found:
        for one in wanted.behind(key):
            if one.target and endpoint in (one.endpoint, one.local):
                yield one.target
