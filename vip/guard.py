"""Holds back what would leave many virtual servers with nobody at once, until it is confirmed.

A view of the cluster that is wrong once in a hundred days must not take every service down. What
one by one is a service that ends is, for many at the same time, more likely a mistake.
"""

from collections.abc import Iterable, Mapping

import msgspec
from immutables import Map

from pointsman.vip.elect import Target
from pointsman.vip.model import Key


class Guard(msgspec.Struct, frozen=True):
    """What goes on as it was."""

    share: float = 0.3
    """Of the virtual servers that have somebody, how many may lose all at once."""
    few: int = 5
    """So many may in any case."""
    patience: float = 60.0
    """Seconds after which it is believed."""
    held: Map[Key, Target] = Map()
    since: float = 0.0
    """When the first of those that are held back was."""

    @property
    def wake(self) -> float | None:
        """When what is held back is believed."""
        return self.since + self.patience if self.held else None


def step(
    guard: Guard,
    before: Mapping[Key, Target],
    wanted: Map[Key, Target],
    changed: Iterable[Key],
    now: float,
) -> tuple[Guard, Map[Key, Target]]:
    """Return which targets to follow now: those wanted, but for what is held back.

    ``before`` are those followed until now, ``changed`` those that differ in ``wanted`` from what
    it was.
    """
    held = guard.held.mutate()
    believed = guard.held and now - guard.since >= guard.patience
    for key in guard.held:
        target = wanted.get(key)
        if believed or (target is not None and target.live):
            del held[key]
    emptied = [] if believed else [key for key in changed if _empties(before, wanted, key)]
    if emptied and (guard.held or _many(guard, before, len(emptied))):
        for key in emptied:
            held[key] = before[key]
    found = held.finish()
    since = guard.since if guard.held and found else now
    after = msgspec.structs.replace(guard, held=found, since=since)
    return after, wanted.update(found) if found else wanted


def _empties(before: Mapping[Key, Target], wanted: Mapping[Key, Target], key: Key) -> bool:
    old, new = before.get(key), wanted.get(key)
    if key.fwmark:  # led there for a probe, by nobody's wish
        return False
    return old is not None and old.live and (new is None or not new.live)


def _many(guard: Guard, before: Mapping[Key, Target], count: int) -> bool:
    if count <= guard.few:
        return False
    served = sum(target.live for key, target in before.items() if not key.fwmark)
    return count > guard.share * served
