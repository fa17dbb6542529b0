"""Questions about other zones: which upstreams are asked, and who may ask."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, TypeAlias

import msgspec

from pointsman.discovery import text
from pointsman.dns import wire
from pointsman.dns.limit import INSIDE

PORT = 53

Address: TypeAlias = tuple[str, int]
"""Host and port."""


class Forward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where questions about names outside of the own zones are sent."""

    upstreams: tuple[str, ...] = ()
    """``ADDRESS[:PORT]`` of each resolver, or the path of a ``resolv.conf`` that names them; empty
    refuses all other names."""
    zones: dict[str, tuple[str, ...]] = {}
    """Upstreams of single zones, as in {"consul": ["127.0.0.1:8600"]}; the longest match counts."""
    allow: tuple[str, ...] = INSIDE
    """Networks whose clients may ask for other names."""
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """Seconds until a question that no upstream answers has failed."""
    cache_size: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Answers that are remembered at most; 0 for none."""
    serve_stale: Annotated[float, msgspec.Meta(ge=0)] = 86_400.0
    """Seconds that an answer is still given after its time, when all upstreams fail; 0 for none."""


def parse(value: str) -> Address:
    """Read ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``.

    Raises ValueError, with a reason for people.
    """
    host, port = text.ip(value), PORT
    if not host:
        name, port = text.endpoint(value) if ":" in value else (value, PORT)
        host = text.ip(name)
    if not host:
        raise ValueError(f"{value!r} is neither an IP address, with or without a port, nor a path")
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"{value!r} is not the address of one host")
    return host, port


def problems(forward: Forward, own: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield key and reason for what can't be used; ``own`` are the zones that are answered here."""
    own = tuple(own)
    for key, values in (("upstreams", forward.upstreams), *_lists(forward)):
        if not values and key != "upstreams":
            yield key, "names no upstream"
        if len(set(values)) != len(values):
            yield key, "names an upstream twice"
        for at, value in enumerate(values):
            if not value.startswith("/"):
                try:
                    parse(value)
                except ValueError as error:
                    yield f"{key}[{at}]", str(error)
    seen: dict[str, str] = {}
    for zone in forward.zones:
        key = f"zones.{zone}"
        try:
            name = wire.text(wire.name(zone.lower()))
        except ValueError as error:
            yield key, str(error)
            continue
        if name == "." or len(name) > 254:
            yield key, "is no zone; `upstreams` is for all names" if name == "." else "is too long"
        elif name in seen:
            yield key, f"is the same zone as {seen[name]!r}"
        for apex in own:
            if f".{name}".endswith(f".{apex}."):
                yield key, f"is answered here, by the own zone {apex}"
        seen[name] = zone


def _lists(forward: Forward) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((f"zones.{zone}", values) for zone, values in forward.zones.items())


def nameservers(resolv_conf: str) -> list[str]:
    """Return the addresses that a resolv.conf names (resolv.conf(5))."""
    words = (line.split() for line in resolv_conf.splitlines())
    return [text.ip(w[1]) for w in words if len(w) > 1 and w[0] == "nameserver" and text.ip(w[1])]


def addresses(
    values: Iterable[str], file: Callable[[str], str], own: Callable[[Address], bool]
) -> tuple[Address, ...]:
    """Return whom a list of upstreams means, each once.

    ``file`` returns the text of one; ``own`` tells whether it is this server that listens at an
    address: in a file, which is of the host, it is passed over. Raises ValueError where the list
    itself names it.
    """
    found: dict[Address, None] = {}
    for value in values:
        if value.startswith("/"):
            named = ((host, PORT) for host in nameservers(file(value)))
            found.update((at, None) for at in named if not own(at))
        elif own(parse(value)):
            raise ValueError(f"{value!r} is this server itself: it would ask itself for ever")
        else:
            found[parse(value)] = None
    return tuple(found)
