"""Signatures of messages by a secret that two servers share (TSIG, RFC 8945)."""

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Callable, Iterable

import msgspec

from pointsman.dns import wire
from pointsman.dns.query import name_end

FUDGE = 300
"""Seconds that two clocks may differ (RFC 8945 section 10)."""

BADSIG, BADKEY, BADTIME = 16, 17, 18
_ALGORITHMS = {
    "hmac-sha1.": hashlib.sha1,
    "hmac-sha224.": hashlib.sha224,
    "hmac-sha256.": hashlib.sha256,
    "hmac-sha384.": hashlib.sha384,
    "hmac-sha512.": hashlib.sha512,
}
_CLAUSE = re.compile(
    r'key\s+"?(?P<name>[^\s"{};]+)"?\s*\{\s*'
    r'algorithm\s+"?(?P<algorithm>[^\s"{};]+)"?\s*;\s*'
    r'secret\s+"?(?P<secret>[^\s"{};]+)"?\s*;\s*\}\s*;'
)
_COMMENT = re.compile(r"(#|//)[^\n]*|/\*.*?\*/", re.DOTALL)


class Key(msgspec.Struct, frozen=True):
    """A secret and its name."""

    name: str
    """Absolute, in small letters."""
    algorithm: str
    """As ``hmac-sha256.``."""
    secret: bytes

    def __repr__(self) -> str:
        return f"<Key {self.name} {self.algorithm}>"

    def mac(self, data: bytes) -> bytes:
        """Return the signature of data."""
        return hmac.digest(self.secret, data, _ALGORITHMS[self.algorithm])

    @property
    def size(self) -> int:
        """Octets of a whole TSIG record of this key, at most."""
        names = len(wire.name(self.name)) + len(wire.name(self.algorithm))
        return names + 10 + 16 + _ALGORITHMS[self.algorithm]().digest_size + 6


def parse(text: str) -> tuple[Key, ...]:
    """Read the keys of a file as BIND has them: ``key "NAME" { algorithm A; secret "BASE64"; };``.

    Raises ValueError, which names the line and never tells a secret.
    """
    text = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    keys = []
    at = 0
    while rest := text[at:].lstrip():
        at = len(text) - len(rest)
        line = text.count("\n", 0, at) + 1
        found = _CLAUSE.match(text, at)
        if not found:
            raise ValueError(f'line {line}: is not key "NAME" {{ algorithm A; secret "S"; }};')
        keys.append(_key(found["name"], found["algorithm"], found["secret"], line))
        at = found.end()
    if not keys:
        raise ValueError("has no key")
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("has two keys of one name")
    return tuple(keys)


def _key(name: str, algorithm: str, secret: str, line: int) -> Key:
    algorithm = algorithm.lower().removesuffix(".") + "."
    if algorithm not in _ALGORITHMS:
        known = ", ".join(known.removesuffix(".") for known in _ALGORITHMS)
        raise ValueError(f"line {line}: {algorithm.removesuffix('.')!r} is none of {known}")
    name = name.lower().removesuffix(".") + "."
    try:
        wire.name(name)
        found = base64.b64decode(secret, validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise ValueError(f"line {line}: the name or the secret of a key can't be read") from error
    return Key(name, algorithm, found)


class Signature(msgspec.Struct):
    """What a message was signed with, and how those that follow are."""

    key: Key | None
    """None for one that is not known here."""
    name: bytes
    algorithm: bytes
    """As in the message that came."""
    mac: bytes
    """Of the message before, which the next is signed together with; empty for a first request."""
    clock: Callable[[], float]
    error: int = 0
    time: int = 0
    """The client's, for an error about it."""
    first: bool = True

    def signed(self, message: bytes) -> bytes:
        """Return a message with its signature; of several that belong together, in their order."""
        now = int(self.clock())
        stamp = self.time if self.error == BADTIME else now
        timers = stamp.to_bytes(6) + FUDGE.to_bytes(2)
        other = now.to_bytes(6) if self.error == BADTIME else b""
        mac = b""
        if self.key is not None and self.error in (0, BADTIME):
            variables = _variables(self.key, timers, self.error, other) if self.first else timers
            mac = self.mac = self.key.mac(_before(self.mac) + message + variables)
            self.first = False
        tail = message[:2] + self.error.to_bytes(2) + len(other).to_bytes(2) + other
        rdata = self.algorithm + timers + len(mac).to_bytes(2) + mac + tail
        head = struct.pack("!HHIH", wire.TSIG, wire.ANY_CLASS, 0, len(rdata))
        count = int.from_bytes(message[10:12]) + 1
        return message[:10] + count.to_bytes(2) + message[12:] + self.name + head + rdata


def _variables(key: Key, timers: bytes, error: int, other: bytes) -> bytes:
    """Return what is signed beside the message (RFC 8945 section 4.3.3)."""
    names = wire.name(key.name) + struct.pack("!HI", wire.ANY_CLASS, 0) + wire.name(key.algorithm)
    return names + timers + error.to_bytes(2) + len(other).to_bytes(2) + other


def _before(mac: bytes) -> bytes:
    """Return how the signature of the message before is signed; a request has none before it."""
    return len(mac).to_bytes(2) + mac if mac else b""


class Keys:
    """The keys of a server."""

    def __init__(self, keys: Iterable[Key], clock: Callable[[], float]) -> None:
        """``clock`` gives seconds since 1970."""
        self._keys = {key.name: key for key in keys}
        self._clock = clock

    def __bool__(self) -> bool:
        return bool(self._keys)

    def first(self) -> Key | None:
        """Return the key that our own messages are signed with."""
        return next(iter(self._keys.values()), None)

    def check(self, data: bytes, at: int, request: bytes = b"") -> Signature | None:
        """Check the signature that begins at ``at``; None for what is none.

        ``request`` is the signature of the request, of which this is the answer. The signature
        that is returned says what was wrong in ``error``.
        """
        found = _read(data, at)
        if found is None:
            return None
        name, algorithm, stamp, fudge, mac, id_, error, other = found
        key = self._keys.get(wire.text(name.lower()))
        now = int(self._clock())
        if key is None or wire.name(key.algorithm) != algorithm.lower():
            return Signature(None, name, algorithm, b"", self._clock, BADKEY)
        count = int.from_bytes(data[10:12]) - 1
        message = id_ + data[2:10] + count.to_bytes(2) + data[12:at]
        timers = stamp.to_bytes(6) + fudge.to_bytes(2)
        wanted = key.mac(_before(request) + message + _variables(key, timers, error, other))
        if not hmac.compare_digest(mac, wanted):
            return Signature(key, name, algorithm, b"", self._clock, BADSIG)
        late = BADTIME if abs(now - stamp) > fudge else 0
        return Signature(key, name, algorithm, mac, self._clock, late, stamp)


def request(key: Key, clock: Callable[[], float]) -> Signature:
    """Return what signs a message of our own, that answers none."""
    return Signature(key, wire.name(key.name), wire.name(key.algorithm), b"", clock)


def _read(data: bytes, at: int) -> tuple[bytes, bytes, int, int, bytes, bytes, int, bytes] | None:
    """Return name, algorithm, time, fudge, signature, id, error and other data; None for none."""
    end = name_end(data, at, pointers=False)
    if not end or len(data) < end + 10:
        return None
    rdata = data[end + 10 :]
    if data[end : end + 10] != struct.pack("!HHIH", wire.TSIG, wire.ANY_CLASS, 0, len(rdata)):
        return None
    algorithm_end = name_end(rdata, 0, pointers=False)
    if not algorithm_end or len(rdata) < algorithm_end + 10:
        return None
    algorithm, rest = rdata[:algorithm_end], rdata[algorithm_end:]
    stamp, fudge = int.from_bytes(rest[:6]), int.from_bytes(rest[6:8])
    size = int.from_bytes(rest[8:10])
    mac, tail = rest[10 : 10 + size], rest[10 + size :]
    if len(mac) < size or len(tail) < 6:
        return None
    other = tail[6:]
    if len(other) != int.from_bytes(tail[4:6]):
        return None
    return data[at:end], algorithm, stamp, fudge, mac, tail[:2], int.from_bytes(tail[2:4]), other
