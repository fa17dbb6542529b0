"""From `dns.forward` to who answers for other zones: files read, this server itself left out."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from pointsman.config import DnsConfig
from pointsman.discovery.errors import Fatal, Transient
from pointsman.dns.counts import Counts
from pointsman.dns.endpoints import ANY, endpoints, parse
from pointsman.dns.forward import Address, Forward, addresses
from pointsman.dns.forwarder import Forwarder
from pointsman.dns.interfaces import addresses as of_interfaces
from pointsman.dns.listening import here
from pointsman.dns.upstreams import Routes

log = logging.getLogger("pointsman")


class Forwarding(msgspec.Struct, frozen=True):
    """All that a forwarder is made from: while it stays the forwarder does, with its cache."""

    settings: Forward
    default: tuple[Address, ...]
    zones: dict[str, tuple[Address, ...]]

    def forwarder(self, counts: Counts) -> Forwarder:
        """Return one that knows nothing yet."""
        return Forwarder(self.settings, Routes(self.default, self.zones), counts)


def forwarding(config: DnsConfig) -> Forwarding | None:
    """Return what is forwarded where, None for nothing; reads the files that name upstreams.

    Raises Fatal, which names the key, for a file that can't be read, and where this server would
    ask itself.
    """
    forward = config.forward
    if not forward.upstreams and not forward.zones:
        return None
    own = _own(config.listen)

    def found(key: str, values: tuple[str, ...]) -> tuple[Address, ...]:
        try:
            those = addresses(values, _text, own)
        except (OSError, ValueError) as error:
            raise Fatal(f"dns.forward.{key}: {error}") from error
        if values and not those:
            log.warning(
                "dns.forward.%s: %s names no other server; what is asked of it is refused",
                key,
                ", ".join(values),
            )
        return those

    zones = {zone: found(f"zones.{zone}", values) for zone, values in forward.zones.items()}
    return Forwarding(forward, found("upstreams", forward.upstreams), zones)


def _text(path: str) -> str:
    return Path(path).read_text(errors="replace")


def _own(listen: tuple[str, ...]) -> Callable[[Address], bool]:
    """Return what tells whether this server listens at an address, as far as is known now."""
    entries = tuple(map(parse, listen))
    try:
        known = of_interfaces() if any(entry.interface for entry in entries) else ()
    except Transient:
        known = ()
    listening = endpoints(entries, known)

    def own(at: Address) -> bool:
        host, port = at
        every = ANY[6 if ":" in host else 4]
        hosts = {one.host.partition("%")[0] for one in listening if one.port == port}
        return host.partition("%")[0] in hosts or (every in hosts and here(host))

    return own
