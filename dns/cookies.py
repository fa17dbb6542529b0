"""DNS cookies: a client that shows ours has its own address (RFC 7873, laid out by RFC 9018)."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable

_VERSION = b"\1\0\0\0"
_OLDEST, _NEWEST = 3_600, -300
"""Seconds of age that a cookie may have (RFC 9018 section 4.3)."""

MOST_SECRET = 32
"""Octets of a secret."""


class Cookies:
    """Makes and checks the cookies of a server; equal for all that share the secret."""

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        """``secret`` has up to 32 octets; ``clock`` gives seconds since 1970."""
        self._secret = secret
        self._clock = clock

    def made(self, cookie: bytes, host: str) -> bytes:
        """Return what to send to a client that sent this cookie: its own, and the server's."""
        client = cookie[:8]
        stamp = (int(self._clock()) & 0xFFFF_FFFF).to_bytes(4)
        return client + _VERSION + stamp + self._hash(client, stamp, host)

    def good(self, cookie: bytes, host: str) -> bool:
        """Tell whether a client's cookie has behind it one that was made for its address."""
        if len(cookie) != 24 or cookie[8:12] != _VERSION:
            return False
        # Serial number arithmetic: 32 bits of seconds run out in 2106.
        age = (int(self._clock()) - int.from_bytes(cookie[12:16]) + 2**31) % 2**32 - 2**31
        return _NEWEST <= age <= _OLDEST and hmac.compare_digest(
            cookie[16:], self._hash(cookie[:8], cookie[12:16], host)
        )

    def _hash(self, client: bytes, stamp: bytes, host: str) -> bytes:
        address = ipaddress.ip_address(host.partition("%")[0]).packed
        data = client + _VERSION + stamp + address
        return hashlib.blake2s(data, digest_size=8, key=self._secret).digest()
