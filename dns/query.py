"""A query read from its bytes (RFC 1035 section 4, RFC 6891 section 6, RFC 7873 section 5.2)."""

import struct
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import msgspec

from pointsman.dns import wire

PLAIN_SIZE = 512
"""What a client without EDNS takes over UDP (RFC 1035 section 4.2.1)."""

TCP_SIZE = 65_535

_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


class Query(msgspec.Struct):
    """A query, who sent it, and what its answer may be like."""

    data: bytes
    """The whole message."""
    flags: int
    question: bytes
    """Name, type and class as they were sent."""
    name: str
    """In small letters, with its last dot."""
    type: int
    class_: int
    edns: bool = False
    version: int = 0
    """Of EDNS."""
    dnssec: int = 0
    """The DO bit in its place, to be sent back as it is (RFC 3225 section 3)."""
    size: int = PLAIN_SIZE
    """What the client takes over UDP."""
    cookie: bytes = b""
    """The client's cookie, and the server's behind it where the client has one."""
    nsid: bool = False
    """Whether the server's name is asked for (RFC 5001)."""
    keepalive: bool = False
    """Whether it is asked how long a connection may be silent (RFC 7828)."""
    serial: int | None = None
    """The serial that the client of an IXFR has (RFC 1995 section 3)."""
    tsig: int = 0
    """Where the signature begins in the message (RFC 8945); 0 for none."""
    signed: bool = False
    """Whether it was signed with a key of ours."""
    client: str = ""
    """Address of the client."""
    tcp: bool = False
    opt: bytes = b""
    """The OPT record that every answer to this ends with."""
    most: int = PLAIN_SIZE
    """Octets that the answer may have, OPT included."""


Later: TypeAlias = AsyncIterator[bytes]
"""Messages that are not there yet: one for a question asked elsewhere, many for a transfer."""

Answer: TypeAlias = bytes | Later | None
"""What a query is answered with; None for what deserves no answer."""

Handler: TypeAlias = Callable[[Query], Answer]
"""Who answers what is not answered from the zones."""


def read(data: bytes, client: str = "", *, tcp: bool = False) -> Query | int:
    """Return a query, or the response code for one that can't be served.

    ``data`` has a whole header at least.
    """
    _, flags, questions, answers, authority, additional = _HEADER.unpack_from(data)
    if flags & 0x7800:
        return wire.NOTIMP
    if questions != 1 or answers or flags & wire.TC:
        return wire.FORMERR
    end = name_end(data, 12, pointers=False)
    if not end or len(data) < end + 4 or end - 12 > 255:
        return wire.FORMERR
    type_, class_ = struct.unpack_from("!HH", data, end)
    if authority and type_ != wire.IXFR:
        return wire.FORMERR
    name = wire.text(data[12:end].lower())
    query = Query(data, flags, data[12 : end + 4], name, type_, class_, client=client, tcp=tcp)
    if authority or additional:
        return _with_records(query, end + 4, authority, additional)
    return query


def _with_records(query: Query, at: int, authority: int, additional: int) -> Query | int:
    """Read what stands behind the question: of it only SOA, OPT and TSIG count."""
    data = query.data
    for number in range(authority + additional):
        end = name_end(data, at)
        if not end or len(data) < end + 10:
            return wire.FORMERR
        type_, size, ttl, length = _FIXED.unpack_from(data, end)
        rdata = data[end + 10 : end + 10 + length]
        if len(rdata) < length or query.tsig:  # a signature is the last (RFC 8945 section 5.1)
            return wire.FORMERR
        if number < authority:
            if type_ == wire.TYPES["SOA"] and length >= 22:
                query.serial = int.from_bytes(rdata[-20:-16])
        elif type_ == wire.OPT:
            if query.edns or end != at + 1:  # the owner is the root
                return wire.FORMERR
            query.edns = True
            query.version = ttl >> 16 & 0xFF
            query.dnssec = ttl >> 8 & 0x80
            query.size = max(size, PLAIN_SIZE)
            if rdata and not _with_options(query, rdata):
                return wire.FORMERR
        elif type_ == wire.TSIG:
            query.tsig = at
        at = end + 10 + length
    return query


def _with_options(query: Query, rdata: bytes) -> bool:
    """Read the options of EDNS; return False for what are none."""
    while rdata:
        if len(rdata) < 4:
            return False
        code, length = struct.unpack_from("!HH", rdata)
        value, rdata = rdata[4 : 4 + length], rdata[4 + length :]
        if len(value) < length:
            return False
        if code == wire.COOKIE and not query.cookie:
            if length != 8 and not 16 <= length <= 40:  # RFC 7873 section 5.2.2
                return False
            query.cookie = value
        elif code == wire.NSID:
            query.nsid = True
        elif code == wire.KEEPALIVE:
            query.keepalive = True
    return True


def name_end(data: bytes, at: int, *, pointers: bool = True) -> int:
    """Return where a name that begins here ends, 0 when it does not; follows no pointer.

    ``pointers`` says whether it may end in one.
    """
    while at < len(data):
        length = data[at]
        if not length:
            return at + 1
        if length >= 0xC0:
            return at + 2 if pointers and at + 2 <= len(data) else 0
        if length > 63:
            return 0
        at += 1 + length
    return 0
