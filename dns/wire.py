"""Names, types and record data between their text and their bytes (RFC 1035 sections 3 and 4)."""

import ipaddress
import shlex
import struct
from functools import lru_cache
from typing import Any

import dnslib

MOST_NAME = 255
"""Octets of a name (RFC 1035 section 2.3.4)."""

IN, CH, ANY_CLASS = 1, 3, 255
"""Classes: the Internet, CHAOS (where servers tell of themselves), and any."""

TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
"""Numbers of the types that a zone may hold."""

NAMES = {number: name for name, number in TYPES.items()}

OPT, TSIG, IXFR, AXFR, MAILB, MAILA, ANY = 41, 250, 251, 252, 253, 254, 255
"""Types that are asked for or stand in messages, and are in no zone."""

NSID, COOKIE, KEEPALIVE = 3, 10, 11
"""Options of EDNS (RFC 5001, RFC 7873, RFC 7828)."""

ANSWERED, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 9, 16
"""Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9)."""

QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
"""Flags of a header."""


class _Plain(dnslib.DNSBuffer):  # type: ignore[misc]
    """A buffer that doesn't compress names: a target in SRV must not be (RFC 2782)."""

    def encode_name(self, name: Any) -> None:
        self.encode_name_nocompress(name)


@lru_cache(maxsize=65_536)
def name(text: str) -> bytes:
    """Return an absolute name's bytes.

    Raises ValueError when a label is empty or too long, or it holds other than ASCII.
    """
    if text == ".":
        return b"\0"
    wire = bytearray()
    for label in text.removesuffix(".").split("."):
        if not 0 < len(label) < 64:
            raise ValueError(f"{text!r} has a label that is empty or too long")
        wire.append(len(label))
        wire += label.encode("ascii")
    return bytes(wire) + b"\0"


def text(name: bytes) -> str:
    """Return the text of a whole name of bytes without pointers; "" for what is none.

    A dot inside a label must not read as a border between labels (RFC 1035 section 5.1).
    """
    found = ""
    at, end = 0, len(name) - 1
    while at < end:
        length = name[at]
        label = name[at + 1 : at + 1 + length].decode("latin-1")
        if not 0 < length < 64:
            return ""
        found += (label.replace(".", "\\046") if "." in label else label) + "."
        at += 1 + length
    if at != end or name[end]:
        return ""
    return found or "."


def packed(type_: str, text: str) -> bytes:
    """Return the data of a record from its text in a zone file; raises where it is none."""
    match type_:
        case "A":
            return ipaddress.IPv4Address(text).packed
        case "AAAA":
            return ipaddress.IPv6Address(text).packed
        case "NS" | "PTR":
            return name(text)
        case "SRV":
            *numbers, target = text.split()
            return struct.pack("!HHH", *map(int, numbers)) + name(target)
    buffer = _Plain()
    parts = shlex.split(text) if type_ == "TXT" else text.split()
    dnslib.RDMAP[type_].fromZone(parts).pack(buffer)
    return bytes(buffer.data)


data = lru_cache(maxsize=65_536)(packed)
"""The same, of what is answered again and again."""


def record(owner: bytes, type_: str, ttl: int, rdata: bytes, class_: int = IN) -> bytes:
    """Return a whole record; ``owner`` is a name or a pointer to one."""
    return head(owner, type_, ttl, len(rdata), class_) + rdata


def head(owner: bytes, type_: str, ttl: int, size: int, class_: int = IN) -> bytes:
    """Return a record up to its data, which have that many octets."""
    return (
        owner + TYPES[type_].to_bytes(2) + class_.to_bytes(2) + ttl.to_bytes(4) + size.to_bytes(2)
    )


def option(code: int, value: bytes) -> bytes:
    """Return an option of EDNS (RFC 6891 section 6.1.2)."""
    return code.to_bytes(2) + len(value).to_bytes(2) + value


def pointer(offset: int) -> bytes:
    """Return a pointer to a name that stands earlier in the message (RFC 1035 section 4.1.4)."""
    return (0xC000 | offset).to_bytes(2)
