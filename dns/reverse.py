"""Names of addresses: PTR records, in zones of the networks that are ours to answer for."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pointsman.dns.records import Record

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reverse(msgspec.Struct, frozen=True):
    """The networks, each with a border between labels of its zone."""

    networks: tuple[str, ...] = ()
    ttl: int = 60
    """Seconds."""

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield a record for each of these that holds an address in one of the networks."""
        networks = [ipaddress.ip_network(network) for network in self.networks]
        for record in records:
            if record.type in ("A", "AAAA"):
                ip = ipaddress.ip_address(record.data)
                if any(ip in network for network in networks):
                    yield Record(f"{ip.reverse_pointer}.", "PTR", record.name, self.ttl)

    def of_task(self, records: Sequence[Record], agent: str) -> Iterator[Record]:
        """Yield those of a task's own addresses, under the first of its names.

        The address of its agent is that of many.
        """
        own = [r for r in records if r.type in ("A", "AAAA") and not r.claim and r.data != agent]
        yield from self.of(r for r in own if r.name == own[0].name)


def apex(network: str) -> str:
    """Return the zone of a network: ``10.0.0.0/8`` is ``10.in-addr.arpa.`` (RFC 1035, RFC 3596).

    Raises ValueError, with a reason for people, when it is none or has no border there.
    """
    found = ipaddress.ip_network(network)
    bits, most = (8, 4) if found.version == 4 else (4, 32)
    if found.prefixlen % bits or not 0 < found.prefixlen < found.max_prefixlen:
        unit = "eight" if found.version == 4 else "four"
        raise ValueError(f"{network}: the length of its prefix is not a multiple of {unit}")
    labels = found.network_address.reverse_pointer.split(".")
    return ".".join(labels[most - found.prefixlen // bits :]) + "."
