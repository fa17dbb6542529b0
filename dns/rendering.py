"""From the rrsets of a zone to the bytes of answers."""

from pointsman.dns import wire
from pointsman.dns.zone import Mirror, Rrset, Zone

_OWNER = wire.pointer(12)  # the question's name stands right behind the header
_TARGET = {"SRV": 3, "NS": 0}
"""By type: where in the data the name stands whose addresses are sent along (RFC 2782)."""


def records(found: Rrset) -> list[bytes]:
    """Return the records of an rrset that was asked for."""
    return [
        wire.record(_OWNER, found.type, found.ttl, wire.data(found.type, data))
        for data in found.data
    ]


def targets(found: Rrset) -> tuple[str, ...]:
    """Return the names whose addresses an answer carries as well."""
    position = _TARGET.get(found.type)
    if position is None:
        return ()
    return tuple(dict.fromkeys(data.split()[position] for data in found.data))


def led(zone: Zone | Mirror, found: Rrset) -> tuple[list[bytes], list[str]]:
    """Return the records of an rrset, and the names of the zone that they end in but then lack.

    There are no names where records of such a type end in none; no records, either, where any of
    the names is not in the zone.
    """
    position = _TARGET.get(found.type)
    if position is None:
        return records(found), []
    parts = [data.split() for data in found.data]
    names = [part[position] for part in parts]
    if not all(name.endswith(f".{zone.apex}") and zone.has(name) for name in names):
        return [], []
    begun = []
    for part, name in zip(parts, names, strict=True):
        numbers = b"".join(int(number).to_bytes(2) for number in part[:position])
        size = len(numbers) + len(name) + 1
        begun.append(wire.head(_OWNER, found.type, found.ttl, size) + numbers)
    return begun, names


def addresses(zone: Zone | Mirror, names: tuple[str, ...], name_length: int) -> list[bytes]:
    """Return the address records of names in the zone, each name ending in a pointer.

    ``name_length`` is that of the name in the question, of whose end the pointers make use.
    """
    apex = wire.pointer(12 + name_length - len(wire.name(zone.apex)))
    return [
        wire.record(wire.name(name.removesuffix(zone.apex))[:-1] + apex, type_, rrset.ttl, data)
        for name in names
        if name.endswith(f".{zone.apex}")
        for type_ in ("A", "AAAA")
        if (rrset := zone.rrset(name, type_))
        for data in (wire.data(type_, text) for text in rrset.data)
    ]


class Denials:
    """The start of each zone, as "no" is said with it (RFC 2308), made once for each serial."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[int, int, bytes]] = {}

    def record(self, zone: Zone | Mirror, name_length: int) -> bytes:
        """Return the SOA record, its owner a pointer to the end of the name in the question."""
        serial, apex_length, rest = self._made.get(zone.apex, (-1, 0, b""))
        if serial != zone.serial:
            apex_length, rest = len(wire.name(zone.apex)), denial(zone)
            self._made[zone.apex] = zone.serial, apex_length, rest
        return wire.pointer(12 + name_length - apex_length) + rest


def denial(zone: Zone | Mirror) -> bytes:
    """Return the SOA record that "no" is said with, but for its owner."""
    soa = zone.rrset(zone.apex, "SOA")
    assert soa is not None
    # How long "no" may be remembered is the lesser of both (RFC 2308 section 5).
    ttl = min(soa.ttl, zone.soa.minimum)
    return wire.record(b"", "SOA", ttl, wire.data("SOA", soa.data[0]))
