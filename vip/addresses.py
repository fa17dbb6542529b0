"""Addresses of named VIPs: a pure function of the set of names, so equal on every node."""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec
from immutables import Map

from pointsman.vip.phash import phash2


class Range(msgspec.Struct, frozen=True, order=True):
    """Addresses from ``lowest`` to ``highest``, both usable."""

    lowest: str
    highest: str

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.lowest else 4

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest address as numbers."""
        return int(ipaddress.ip_address(self.lowest)), int(ipaddress.ip_address(self.highest))

    @property
    def networks(self) -> tuple[str, ...]:
        """The fewest prefixes that cover exactly this range."""
        lowest, highest = ipaddress.ip_address(self.lowest), ipaddress.ip_address(self.highest)
        return tuple(map(str, ipaddress.summarize_address_range(lowest, highest)))

    def __contains__(self, address: object) -> bool:
        ip = ipaddress.ip_address(str(address))
        lowest, highest = self.bounds
        return ip.version == self.family and lowest <= int(ip) <= highest

    def __str__(self) -> str:
        return f"{self.lowest}-{self.highest}"


def parse_range(text: str) -> Range:
    """Read ``LOWEST-HIGHEST`` or a prefix, ``11.0.0.0/8``.

    Raises ValueError, with a reason for people, when it isn't one of at least two addresses.
    """
    if "/" in text:
        network = ipaddress.ip_network(text)
        lowest, highest = network[0], network[-1]
    else:
        first, dash, last = text.partition("-")
        if not dash:
            raise ValueError(f"{text!r} is not LOWEST-HIGHEST or a prefix such as 11.0.0.0/8")
        lowest, highest = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    if lowest.version != highest.version or int(lowest) >= int(highest):
        raise ValueError(f"{text!r}: {lowest} is not below {highest}")
    return Range(str(lowest), str(highest))


ANYWHERE = parse_range("0.0.0.0/0"), parse_range("::/0")


@lru_cache(maxsize=65_536)
def preferred(name: str, range_: Range) -> int:
    """Return the address, as a number, that DC/OS gave this name where nothing collided.

    ``lowest + phash2(name, highest - lowest)`` for IPv4, ``lowest + SHA-1(name) mod (highest -
    lowest)`` for IPv6 (dcos-net, ``dcos_l4lb_mgr``).
    """
    lowest, highest = range_.bounds
    data = name.encode()
    if range_.family == 4:
        return lowest + phash2(data, highest - lowest)
    return lowest + int.from_bytes(hashlib.sha1(data).digest()) % (highest - lowest)


class Assigned(msgspec.Struct, frozen=True):
    """Which name has which address of a range: a function of the set of names alone.

    A name whose preferred address no other name prefers has it whatever else is there. Of those
    that prefer the same address the first in order has it; the others, in order, take the next
    free one, going on at the lowest after the highest.
    """

    range: Range
    wishes: Map[int, tuple[str, ...]] = Map()
    """Names, in order, by the number of the address that they prefer."""
    crowded: frozenset[int] = frozenset()
    """Numbers that more than one name prefers."""
    late: Mapping[str, int] = {}
    """Numbers of the names that had to give way."""

    def address(self, name: str) -> str:
        """Return the address of a name; "" when it isn't there, or the range is full."""
        number = self.late.get(name)
        if number is None:
            number = preferred(name, self.range)
            if self.wishes.get(number, ("",))[0] != name:
                return ""
        return self._text(number)

    def holder(self, address: str) -> str:
        """Return the name that has an address; "" when none has."""
        number = int(ipaddress.ip_address(address))
        if number in self.wishes:
            return self.wishes[number][0]
        return next((name for name, taken in self.late.items() if taken == number), "")

    def update(
        self, removed: Iterable[str], added: Iterable[str]
    ) -> tuple["Assigned", frozenset[str]]:
        """Return what is assigned then, and the names of which the address is another."""
        wishes = self.wishes.mutate()
        touched = set()
        for names, there in ((removed, False), (added, True)):
            for name in names:
                number = preferred(name, self.range)
                touched.add(number)
                others = {other for other in wishes.get(number, ()) if other != name}
                if others or there:
                    wishes[number] = tuple(sorted({*others, name} if there else others))
                elif number in wishes:
                    del wishes[number]
        found = wishes.finish()
        crowded = self.crowded - touched
        crowded |= {number for number in touched if len(found.get(number, ())) > 1}
        late = _late(found, crowded, self.range) if crowded else {}
        after = Assigned(self.range, found, crowded, late)
        affected = {name for n in touched for name in (*self.wishes.get(n, ()), *found.get(n, ()))}
        affected.update(self.late, late)
        return after, frozenset(n for n in affected if self.address(n) != after.address(n))

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that have none, as the range is full."""
        late = (name for number in self.crowded for name in self.wishes[number][1:])
        return tuple(sorted(name for name in late if name not in self.late))

    def _text(self, number: int) -> str:
        kind = ipaddress.IPv4Address if self.range.family == 4 else ipaddress.IPv6Address
        return str(kind(number))


def _late(
    wishes: Mapping[int, tuple[str, ...]], crowded: Iterable[int], range_: Range
) -> dict[str, int]:
    """Return the numbers of those that gave way, as far as there are any left."""
    lowest, highest = range_.bounds
    found: dict[str, int] = {}
    taken: set[int] = set()
    waiting = sorted((name, number) for number in crowded for name in wishes[number][1:])
    for name, number in waiting:
        if len(wishes) + len(found) == highest - lowest + 1:
            break
        at = number
        while at in wishes or at in taken:
            at = at + 1 if at < highest else lowest
        found[name] = at
        taken.add(at)
    return found
