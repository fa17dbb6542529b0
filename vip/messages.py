"""IPVS in generic netlink: changes to bytes, dumps to values (linux/ip_vs.h).

Attributes are written in the order and shape that ``ipvsadm`` uses. A dump of real servers, which
may be long, is read at fixed offsets: the headers of the attributes are compared with those of the
layout first, and a message that differs (an older or newer kernel) is read attribute by attribute.
What was read before is remembered by its bytes, without those that count: a table is read again and
again, and mostly stays as it is.
"""

import ipaddress
import struct
from functools import lru_cache

from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Key,
    RealServer,
    SetReal,
    SetServer,
    Settings,
)

FAMILY = "IPVS"
VERSION = 1

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
SET_CONFIG, GET_CONFIG, GET_INFO, FLUSH = 12, 13, 15, 17

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
INTERRUPTED = 0x10
ERROR, DONE = 2, 3

HASHED = 0x2
"""A flag of a virtual server that is the kernel's own."""

AF_INET, AF_INET6 = 2, 10

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_GENERIC = struct.Struct("=BBxx")  # command, version
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_SERVICE, _DEST = 1, 2
_BODY = _HEADER.size + _GENERIC.size


def request(
    command: int, family: int, sequence: int, flags: int = ACK, attributes: bytes = b""
) -> bytes:
    """Return one whole message to the generic-netlink family with this number."""
    length = _BODY + len(attributes)
    header = _HEADER.pack(length, family, REQUEST | flags, sequence, 0)
    return header + _GENERIC.pack(command, VERSION) + attributes


def encode(change: Change, family: int, sequence: int, flags: int = 0) -> bytes:
    """Return the message that makes a change."""
    match change:
        case AddServer(key, settings):
            command, attributes = NEW_SERVICE, _nest(_SERVICE, _key(key) + _settings(key, settings))
        case SetServer(key, settings):
            command, attributes = SET_SERVICE, _nest(_SERVICE, _key(key) + _settings(key, settings))
        case DeleteServer(key):
            command, attributes = DEL_SERVICE, service(key)
        case AddReal(key, endpoint, real):
            command, attributes = NEW_DEST, service(key) + _dest(endpoint, real)
        case SetReal(key, endpoint, real):
            command, attributes = SET_DEST, service(key) + _dest(endpoint, real)
        case DeleteReal(key, endpoint):
            command, attributes = DEL_DEST, service(key) + _nest(_DEST, _endpoint(endpoint))
    return request(command, family, sequence, flags, attributes)


@lru_cache(maxsize=16_384)
def service(key: Key) -> bytes:
    """Return the attribute that names a virtual server."""
    return _nest(_SERVICE, _key(key))


def timeouts(tcp: int, tcp_fin: int, udp: int) -> bytes:
    """Return the attributes of SET_CONFIG, in seconds; 0 leaves a timeout as it is."""
    return _u32(4, tcp) + _u32(5, tcp_fin) + _u32(6, udp)


def split(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Return type, flags, sequence and body of each netlink message in what was received."""
    found = []
    at = 0
    size = _HEADER.size
    while at + size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if length < size:
            break
        found.append((kind, flags, sequence, data[at + size : at + length]))
        at += length + 3 & ~3
    return found


def attributes(data: bytes) -> dict[int, bytes]:
    """Return attributes by type; of one that stands twice the last."""
    found = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += length + 3 & ~3
    return found


def read_service(body: bytes) -> tuple[Key, Settings]:
    """Read one message of a dump of virtual servers; ``body`` begins with the generic header.

    Raises ValueError when it is none.
    """
    try:
        return _service(body.partition(_COUNTS)[0])
    except ValueError:
        return _service(body)  # those octets may stand in an address, too


_COUNTS = _ATTRIBUTE.pack(100, 10)
"""How the counts of a virtual server begin; what stands behind changes with each packet."""


@lru_cache(maxsize=16_384)
def _service(body: bytes) -> tuple[Key, Settings]:
    try:
        found = attributes(attributes(body[_GENERIC.size :])[_SERVICE])
        (af,) = struct.unpack("=H", found[1])
        if 5 in found:
            (mark,) = struct.unpack("=I", found[5])
            key = Key(0, "::" if af == AF_INET6 else "0.0.0.0", 0, mark)
        else:
            (protocol,) = struct.unpack("=H", found[2])
            key = Key(protocol, _address(af, found[3]), int.from_bytes(found[4]))
        flags, _mask = struct.unpack("=II", found[7])
        (persistence,) = struct.unpack("=I", found[8])
        if af == AF_INET6:
            (prefix,) = struct.unpack("=I", found[9])
        else:
            prefix = int.from_bytes(found[9]).bit_count()
        whole = 128 if af == AF_INET6 else 32
        settings = Settings(
            found[6].rstrip(b"\0").decode("ascii"),
            flags & ~HASHED,
            persistence,
            0 if prefix == whole else prefix,
        )
    except (KeyError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a virtual server: {body.hex()}") from error
    return key, settings


# Address, port, method, weight, tunnel's type, port and flags, both limits.
_REAL = struct.Struct("=I16s I2s2x II Ii IB3x I2s2x IH2x II II")
_REAL_HEADS = tuple(
    length | kind << 16
    for length, kind in (
        (20, 1), (6, 2), (8, 3), (8, 4), (5, 13), (6, 14), (6, 15), (8, 5), (8, 6),
    )
)  # fmt: skip
_FAMILY = struct.Struct("=IH")
_FAMILY_HEAD = 6 | 11 << 16
_REAL_PARTS = struct.Struct(f"=8x {_REAL.size}s 24x {_FAMILY.size}s")
"""Between the two are three counts of connections."""


def read_real(body: bytes) -> tuple[Endpoint, RealServer]:
    """Read one message of a dump of real servers; ``body`` begins with the generic header.

    Raises ValueError when it is none.
    """
    if len(body) >= _REAL_PARTS.size:
        found = _real(*_REAL_PARTS.unpack_from(body))
        if found:
            return found
    return _walk_real(body)


@lru_cache(maxsize=131_072)
def _real(first: bytes, family: bytes) -> tuple[Endpoint, RealServer] | None:
    """Read a real server whose attributes are laid out as expected; None when they aren't."""
    fields = _REAL.unpack(first)
    head, af = _FAMILY.unpack(family)
    if fields[::2] != _REAL_HEADS or head != _FAMILY_HEAD:
        return None
    address, port, method, weight, tunnel, tunnel_port, tunnel_flags, upper, lower = fields[1::2]
    return (
        Endpoint(_address(af, address), int.from_bytes(port)),
        RealServer(
            weight, method & 7, upper, lower, tunnel, int.from_bytes(tunnel_port), tunnel_flags
        ),
    )


def _walk_real(body: bytes) -> tuple[Endpoint, RealServer]:
    try:
        found = attributes(attributes(body[_GENERIC.size :])[_DEST])

        def number(kind: int, form: str = "=I") -> int:
            return int(struct.unpack(form, found[kind])[0]) if kind in found else 0

        # A kernel before 3.18 doesn't tell the family; it knew no mixed ones.
        af = number(11, "=H") or (AF_INET6 if any(found[1][4:]) else AF_INET)
        endpoint = Endpoint(_address(af, found[1]), int.from_bytes(found[2]))
        real = RealServer(
            number(4, "=i"), number(3) & 7, number(5), number(6),
            number(13, "=B"), number(14, "!H"), number(15, "=H"),
        )  # fmt: skip
    except (KeyError, struct.error) as error:
        raise ValueError(f"not a real server: {body.hex()}") from error
    return endpoint, real


def _nest(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(data), kind) + data


def _attribute(kind: int, data: bytes) -> bytes:
    return _nest(kind, data) + bytes(-len(data) % 4)


def _u32(kind: int, value: int) -> bytes:
    return struct.pack("=HHI", 8, kind, value)


def _u16(kind: int, value: int) -> bytes:
    return struct.pack("=HHHxx", 6, kind, value)


def _be16(kind: int, value: int) -> bytes:
    return struct.pack("=HH", 6, kind) + struct.pack("!Hxx", value)


@lru_cache(maxsize=65_536)
def _packed(address: str) -> bytes:
    """Return 16 octets; of an IPv4 address the first four count."""
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


@lru_cache(maxsize=65_536)
def _address(af: int, packed: bytes) -> str:
    if af == AF_INET6:
        return str(ipaddress.IPv6Address(packed))
    return ".".join(map(str, packed[:4]))


def _af(address: str) -> int:
    return AF_INET6 if ":" in address else AF_INET


def _key(key: Key) -> bytes:
    af = _u16(1, _af(key.address))
    if key.fwmark:
        return af + _u32(5, key.fwmark)
    address = _attribute(3, _packed(key.address))
    return af + _u16(2, key.protocol) + address + _be16(4, key.port)


def _settings(key: Key, settings: Settings) -> bytes:
    # The mask of an IPv6 service is a prefix length, that of an IPv4 one an address.
    if key.family == 6:
        netmask = _u32(9, settings.netmask or 128)
    else:
        bits = settings.netmask or 32
        netmask = _attribute(9, (0xFFFFFFFF << 32 - bits & 0xFFFFFFFF).to_bytes(4))
    flags = struct.pack("=HHII", 12, 7, settings.flags, 0xFFFFFFFF)
    name = _attribute(6, settings.scheduler.encode("ascii") + b"\0")
    return name + flags + _u32(8, settings.persistence) + netmask


def _endpoint(endpoint: Endpoint) -> bytes:
    family = _u16(11, _af(endpoint.address))
    return family + _attribute(1, _packed(endpoint.address)) + _be16(2, endpoint.port)


def _dest(endpoint: Endpoint, real: RealServer) -> bytes:
    tunnel = b""
    if real.tunnel_type:
        tunnel = struct.pack("=HHBxxx", 5, 13, real.tunnel_type)
        tunnel += _be16(14, real.tunnel_port) + _u16(15, real.tunnel_flags)
    return _nest(
        _DEST,
        _endpoint(endpoint)
        + _u32(3, real.forwarding)
        + struct.pack("=HHi", 8, 4, real.weight)
        + tunnel
        + _u32(5, real.upper)
        + _u32(6, real.lower),
    )
