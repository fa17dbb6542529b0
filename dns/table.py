"""Answers that are known: by the bytes of the query, and by the bytes of the question.

This is the seam between the zones and whatever carries the packets: query bytes in, answer bytes
out, forgotten by name. Only what a zone holds is learnt, so that invented names take no room.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from pointsman.dns import message, wire
from pointsman.dns.message import Ready

MOST_LEARNT = 65_536
"""Queries, as they come, whose answers are kept whole."""

MOST_WAYS = 8
"""Ways to ask the same question that are learnt."""

MOST_KEPT = 4_096
"""Octets of an answer that is kept whole."""

Whole: TypeAlias = tuple[Iterator[bytes], list[int]]
"""Answers in turn, each without its id, and where to count them."""


class Table:
    """What was answered before, as far as it still holds."""

    def __init__(self) -> None:
        self.udp: dict[bytes, Whole] = {}
        """By a query without its id."""
        self.tcp: dict[bytes, Whole] = {}
        self._ready: dict[bytes, Ready] = {}
        """By the question in small letters; as many as names and types of the zones at most."""
        self._nodata: dict[bytes, Ready] = {}
        """The same for names without records of a type; holds the SOA, so a new serial ends all."""
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)
        """By the name of a target: the names whose answers carry its addresses."""

    def __len__(self) -> int:
        return len(self.udp) + len(self.tcp) + len(self._ready) + len(self._nodata)

    def ready(self, key: bytes) -> Ready | None:
        """Return what is known of a question in small letters."""
        return self._ready.get(key) or self._nodata.get(key)

    def keep(self, key: bytes, name: str, ready: Ready) -> None:
        """Remember the answer to a question in small letters about a name."""
        if not ready.total:
            self._nodata[key] = ready
            return
        self._ready[key] = ready
        for target in ready.targets:
            self._dependents[target].add(name)

    def learn(
        self, data: bytes, end: int, parts: message.Parts, *, tcp: bool
    ) -> Iterator[bytes] | None:
        """Keep the whole answers to a query, whose question ends at ``end``, and return them.

        None where they are not to be kept: there is no room, or the query has capital letters, for
        which there is `other_case`.
        """
        known = self.tcp if tcp else self.udp
        ready = parts.ready
        if len(ready.learnt) >= MOST_WAYS or len(known) >= MOST_LEARNT:
            return None
        way = data[2:]
        around = data[2:12] + data[end:]
        # Of two queries that are equal in small letters only the questions may differ.
        if way != way.lower() or around != around.upper():
            return None
        bodies = message.bodies(parts, MOST_KEPT)
        if bodies is not None:
            known[way] = bodies, message.cell(parts, tcp=tcp)
            ready.learnt.append(way)
        return bodies

    def other_case(self, data: bytes, *, tcp: bool) -> bytes | None:
        """Answer a query that is known in small letters, with the question as it was sent."""
        found = (self.tcp if tcp else self.udp).get(data[2:].lower())
        if found is None:
            return None
        bodies, cell = found
        cell[0] += 1
        body = next(bodies)
        end = data.index(b"\0", 12) + 5
        return data[:2] + body[:10] + data[12:end] + body[end - 2 :]

    def invalidate(self, names: Iterable[str]) -> None:
        """Forget the answers of names that a change in a zone touched."""
        for ready in self._nodata.values():
            self._unlearn(ready)
        self._nodata.clear()
        if not self._ready:
            return
        for name in names:
            self._forget(name)
            for dependent in self._dependents.pop(name, ()):
                self._forget(dependent)

    def _forget(self, name: str) -> None:
        start = wire.name(name)
        for number in (*wire.NAMES, wire.ANY):
            key = start + number.to_bytes(2) + wire.IN.to_bytes(2)
            ready = self._ready.pop(key, None)
            if ready is None:
                continue
            self._unlearn(ready)
            for target in ready.targets:
                dependents = self._dependents.get(target, set())
                dependents.discard(name)
                if not dependents:
                    self._dependents.pop(target, None)

    def _unlearn(self, ready: Ready) -> None:
        for way in ready.learnt:
            self.udp.pop(way, None)
            self.tcp.pop(way, None)
        ready.learnt.clear()
