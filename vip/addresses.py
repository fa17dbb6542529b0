"""Addresses of named VIPs: a pure function of the set of names, so equal on every node."""

import hashlib
import ipaddress
from collections.abc import Iterable

import msgspec

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


def assign(names: Iterable[str], range_: Range) -> dict[str, str]:
    """Return an address for each name; names that find none are missing.

    A name whose preferred address no other name prefers has it whatever else is there. Of those
    that prefer the same address the first in order has it; the others, in order, take the next
    free one, going on at the lowest after the highest.
    """
    lowest, highest = range_.bounds
    taken: dict[int, str] = {}
    late: list[tuple[str, int]] = []
    for name in sorted(set(names)):
        number = preferred(name, range_)
        if taken.setdefault(number, name) != name:
            late.append((name, number))
    for name, number in late:
        if len(taken) == highest - lowest + 1:
            break
        at = number
        while at in taken:
            at = at + 1 if at < highest else lowest
        taken[at] = name
    address = ipaddress.IPv4Address if range_.family == 4 else ipaddress.IPv6Address
    return {name: str(address(number)) for number, name in taken.items()}
