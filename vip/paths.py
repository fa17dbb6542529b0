"""Virtual servers that lead a probe's marked packets to one real server, as clients' would go.

A probe's packets go to the VIP as any client's do; their firewall mark makes IPVS take a virtual
server of this one real server for them. So it meets what clients meet: the real server's own
address for direct forwarding, mappings, firewalls.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from immutables import Map, MapMutation

from pointsman.healthcheck.board import Way
from pointsman.healthcheck.model import Target
from pointsman.vip import elect
from pointsman.vip.model import Endpoint, Key, RealServer, Settings, VirtualServer

LOWEST, COUNT = 0x706D0000, 0x10000
"""Firewall marks that are ours: the first, and how many."""

Path: TypeAlias = tuple[Key, RealServer]
"""The virtual server that a target is asked through, and how its real server takes part."""


class Paths(msgspec.Struct, frozen=True):
    """Which mark each target has, and how it is asked."""

    marks: Map[Target, int] = Map()
    taken: Map[int, Target] = Map()
    ways: Map[Target, Way] = Map()

    def update(
        self, gone: Iterable[Target], there: Mapping[Target, Path]
    ) -> tuple["Paths", dict[Key, elect.Target | None]]:
        """Return the same without the one and with the other, and what is another in the kernel.

        A target keeps its mark. One for which no mark is left has no way, and isn't probed.
        """
        marks, taken, ways = self.marks.mutate(), self.taken.mutate(), self.ways.mutate()
        changed: dict[Key, elect.Target | None] = {}
        for target in gone:
            if target in marks:
                mark = marks.pop(target)
                del taken[mark], ways[target]
                changed[_key(target, mark)] = None
        for target, (key, real) in sorted(there.items(), key=lambda item: str(item[0])):
            mark = marks.get(target) or _free(target, taken)
            if mark:
                marks[target], taken[mark] = mark, target
                ways[target] = Way(key.address, key.port, mark)
                changed[_key(target, mark)] = _server(target, real)
        return Paths(marks.finish(), taken.finish(), ways.finish()), changed


def _free(target: Target, taken: MapMutation[int, Target]) -> int:
    """Return the mark that is the target's by its name, or the next free; 0 when none is."""
    if len(taken) >= COUNT:
        return 0
    at = zlib.crc32(str(target).encode()) % COUNT
    while LOWEST + at in taken:
        at = (at + 1) % COUNT
    return LOWEST + at


def _key(target: Target, mark: int) -> Key:
    return Key(address="::" if ":" in target.address else "0.0.0.0", fwmark=mark)


def _server(target: Target, real: RealServer) -> elect.Target:
    alone = msgspec.structs.replace(real, weight=1, upper=0, lower=0)
    return elect.Target(
        VirtualServer(Settings("rr"), {Endpoint(target.address, target.port): alone})
    )
