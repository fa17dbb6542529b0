"""What a DNS probe asks, and what its answer is worth (RFC 1035 section 4)."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import dnslib
from dnslib.label import DNSLabel, DNSLabelError

from pointsman.discovery import text
from pointsman.healthcheck.model import Dns, Failed, Outcome, Result

MOST_ANSWERS = 256
"""Records of an answer that are looked at: what an answer costs is not for its sender to say."""

MOST_NAME = 255
"""Octets of a name (RFC 1035 section 2.3.4), with those of its pointers."""

_HEAD = 12
_ADDRESSES, _TEXTS = ("A", "AAAA"), ("TXT", "SPF")


class _Buffer(dnslib.DNSBuffer):  # type: ignore[misc]
    """A buffer that follows pointers for no longer than a name may be."""

    offset: int

    def decode_name(self, last: int = -1) -> Any:  # noqa: ARG002 - the base's name
        labels: list[bytes] = []
        octets, end = 0, 0
        while length := self.unpack("!B")[0]:
            if length & 0xC0 == 0xC0:
                at = (length & 0x3F) << 8 | self.unpack("!B")[0]
                end = end or self.offset
                self.offset = at
                octets += 2
            else:
                labels.append(self.get(length))
                octets += 1 + length
            if octets > MOST_NAME or 0x3F < length < 0xC0:
                raise ValueError("there are no such names")
        self.offset = end or self.offset
        return DNSLabel(labels)


@lru_cache(maxsize=4096)
def question(name: str, type_: str) -> bytes:
    """Return a query whose id is 0; raises ValueError when there is no such name or type."""
    try:
        asked = dnslib.DNSQuestion(name, getattr(dnslib.QTYPE, type_))
        return bytes(dnslib.DNSRecord(dnslib.DNSHeader(id=0), q=asked).pack())
    except (dnslib.DNSError, DNSLabelError, UnicodeError, struct.error) as error:
        raise ValueError(f"nobody can be asked for {name} {type_}: {error}") from error


def belongs(data: bytes, query: bytes) -> bool:
    """Tell whether a message claims to answer a query: it has its id and its question.

    The case of letters in the name does not count.
    """
    found, asked = data[_HEAD : len(query)], query[_HEAD:]
    return (
        data[:2] == query[:2]
        and len(found) == len(asked)
        and data[2] & 0xF8 == 0x80  # an answer, and to a plain query
        and data[4:6] == b"\0\1"
        and found[:-4].lower() == asked[:-4].lower()
        and found[-4:] == asked[-4:]
    )


def truncated(data: bytes) -> bool:
    """Tell whether a message lacks what did not fit."""
    return bool(data[2] & 0x02)


def judge(data: bytes, query: bytes, spec: Dns) -> Result:
    """Say what a message is worth that belongs to a query; raises Failed."""
    code = str(dnslib.RCODE.get(data[3] & 0xF))
    if code != spec.rcode:
        raise Failed(Outcome.BAD, f"{code}, expected {spec.rcode}")
    if not spec.expect:
        return Result(Outcome.GOOD, code)
    seen: list[str] = []
    try:
        for type_, found in _answers(data, len(query)):
            if _form(type_, found) == _form(type_, spec.expect):
                return Result(Outcome.GOOD, found[:200])
            seen.append(found)
    except Exception as error:
        # What dnslib raises at a broken record depends on the record's type.
        raise Failed(Outcome.BAD, "the answer is damaged") from error
    what = " and ".join(seen)[:200] or "no data"
    raise Failed(Outcome.BAD, f"{what}, expected {spec.expect}")


def _answers(data: bytes, start: int) -> Iterator[tuple[str, str]]:
    """Yield type and data of the answers, in their text forms."""
    buffer = _Buffer(data)
    buffer.offset = start
    for _ in range(min(int.from_bytes(data[6:8]), MOST_ANSWERS)):
        buffer.decode_name()
        number, _class, _ttl, length = buffer.unpack("!HHIH")
        end = buffer.offset + length
        if end > len(data):
            raise ValueError("a record is longer than the message")
        type_ = dnslib.QTYPE.get(number)
        if length:
            yield str(type_), dnslib.RDMAP.get(type_, dnslib.RD).parse(buffer, length).toZone()
        buffer.offset = end


def _form(type_: str, data: str) -> str:
    """Return data in the one form in which the same data is equal."""
    if type_ in _ADDRESSES:
        return text.ip(data)
    return data.strip('"') if type_ in _TEXTS else data.lower()
