"""From what the kernel has of a virtual server to its target, where that takes time.

A real server that is to get no new connections keeps those it has until they have ended, or its
time is over; a new one comes to its weight in steps. Both are told by a clock that outlives this
process, but not this boot.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pointsman.vip.elect import Target
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, VirtualServer

POLL = 1.0
"""Seconds between two looks at the connections of what drains."""
QUIET = 2.0
"""Seconds without an established connection after which there are none: one may just begin."""
STEPS = 10
"""In which a new real server comes to its weight."""
SCALE = 100
"""By which all weights are multiplied meanwhile, so that there is something below 1."""
WEIGHTED = frozenset({"wlc", "wrr", "sed", "nq"})
"""Schedulers for which a lower weight means fewer connections, and nothing else."""


class Drain(msgspec.Struct, frozen=True, gc=False):
    """A real server that keeps the connections it has."""

    deadline: float
    quiet: float | None = None
    """Since when no connection was seen."""

    def seen(self, active: int | None, now: float) -> "Drain":
        """Return the same once so many connections were counted; None for not counted."""
        if active == 0:
            return self if self.quiet is not None else Drain(self.deadline, now)
        return Drain(self.deadline)

    def over(self, now: float) -> bool:
        """Tell whether it may go."""
        return now >= self.deadline or (self.quiet is not None and now - self.quiet >= QUIET)


class Passage(msgspec.Struct, frozen=True):
    """What of a virtual server is on its way."""

    drains: Mapping[Endpoint, Drain] = {}
    starts: Mapping[Endpoint, float] = {}
    """When each new real server came."""
    wake: float | None = None
    """When to look again; None when all is as it should be."""


def step(
    key: Key,
    target: Target | None,
    actual: VirtualServer | None,
    active: Mapping[Endpoint, int],
    before: Passage,
    now: float,
) -> tuple[VirtualServer | None, Passage]:
    """Return what the kernel should have now of a virtual server; None for nothing.

    ``active`` are the established connections of its real servers, as far as they were counted. A
    real server that the target does not have goes at once: there is nobody to answer. So does one
    of UDP, whose clients would stay with it for as long as they send. A virtual server without
    real servers is none: the address alone resets connections, where the kernel's own refusal
    comes too rarely.
    """
    if target is None:
        return None, Passage()
    there = actual.real_servers if actual else {}
    reals: dict[Endpoint, RealServer] = {}
    drains = {}
    for endpoint, real in target.server.real_servers.items():
        if real.weight:
            reals[endpoint] = real
        elif endpoint in there and key.protocol != Protocol.UDP:
            drain = _drain(before.drains.get(endpoint), target.drains[endpoint], now)
            drain = drain.seen(active.get(endpoint), now)
            if not drain.over(now):
                reals[endpoint] = real
                drains[endpoint] = drain
    starts = dict(_starts(target, there, before.starts, now))
    if not reals:
        return None, Passage()
    wakes = [min(drain.deadline, now + POLL) for drain in drains.values()]
    if starts:
        wakes.append(now + target.slow_start / STEPS)
        for endpoint, real in reals.items():
            share = (now - starts.get(endpoint, float("-inf"))) / target.slow_start
            weight = round(real.weight * SCALE * min(share, 1.0))
            if real.weight:
                reals[endpoint] = msgspec.structs.replace(real, weight=max(weight, 1))
    server = VirtualServer(target.server.settings, reals)
    return server, Passage(drains, starts, min(wakes, default=None))


def _drain(before: Drain | None, seconds: float, now: float) -> Drain:
    if before is None:
        return Drain(now + seconds)
    return Drain(min(before.deadline, now + seconds), before.quiet)


def _starts(
    target: Target,
    there: Mapping[Endpoint, RealServer],
    before: Mapping[Endpoint, float],
    now: float,
) -> Iterator[tuple[Endpoint, float]]:
    """Yield the real servers that have not come to their weight yet, and when they came.

    The first of a virtual server have nobody to take connections meanwhile.
    """
    if not target.slow_start or target.server.settings.scheduler not in WEIGHTED:
        return
    live = {e for e, real in target.server.real_servers.items() if real.weight}
    if not any(e in there and there[e].weight and e not in before for e in live):
        return
    for endpoint in live:
        since = before.get(endpoint)
        if since is None and (endpoint not in there or not there[endpoint].weight):
            since = now
        if since is not None and now - since < target.slow_start:
            yield endpoint, since
