"""Response rate limiting: what a forged sender can have sent to others by this server is bounded.

One network is sent so many answers of one kind a second, and so many of all kinds. Of the rest
some are sent truncated, so that a real client comes by TCP, where no sender is forged.
"""

import ipaddress
from collections.abc import Callable
from typing import Annotated

import msgspec

INSIDE = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "198.51.100.0/24",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""Networks that are not of the open Internet (RFC 1918, 4193, 6598, 5737, 3927, 4291)."""

MOST_TRACKED = 20_000
"""Networks and kinds of answers that are kept in mind; the longest known are forgotten first."""

MOST_HOSTS = 65_536
BURST = 1.0
"""Seconds of answers that may come at once."""

ERRORS = {0: "NODATA", 3: "NXDOMAIN", 5: "REFUSED"}

SEND, SLIP, DROP = "send", "slip", "drop"
"""What becomes of an answer: sent, sent truncated, not sent."""


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many answers a network outside is sent over UDP; /24 and /56 are one network."""

    per_second: Annotated[int, msgspec.Meta(ge=0)] = 200
    """Answers of one kind (to one question, or one kind of error) a second; 0 for no limit."""
    all_per_second: Annotated[int, msgspec.Meta(ge=0)] = 2_000
    """Answers of all kinds a second; 0 for no limit."""
    slip: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    """One of so many answers over the limit is sent truncated; 0 for none, 1 for each."""
    exempt: tuple[str, ...] = INSIDE
    """Networks without limit: by default all that are not of the open Internet."""

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return self.per_second > 0 or self.all_per_second > 0


def split(limit: RateLimit) -> tuple[int, RateLimit]:
    """Share the limits between two who answer and do not ask each other.

    Returns what one may send to a network in a second, of whatever kind, -1 for no limit; and the
    limits of the other. Both together keep to those that were given.
    """
    if not limit.limits:
        return -1, limit
    share = min(filter(None, (limit.per_second, limit.all_per_second))) // 2
    rest = msgspec.structs.replace(
        limit,
        per_second=limit.per_second and limit.per_second - share,
        all_per_second=limit.all_per_second and limit.all_per_second - share,
    )
    return share, rest


class Networks:
    """Some networks; tells whether an address is in one of them, at once when asked again."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        """Take prefixes; raises ValueError for what is none."""
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._known: dict[str, bool] = {}

    def __contains__(self, host: object) -> bool:
        found = self._known.get(str(host))
        if found is None:
            if len(self._known) >= MOST_HOSTS:
                self._known.clear()
            found = self._known[str(host)] = self._looked_up(str(host))
        return found

    def _looked_up(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


class Limiter:
    """Decides for each answer over UDP."""

    def __init__(self, settings: RateLimit, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds, and never goes back."""
        self._exempt = Networks(settings.exempt)
        self._settings = settings
        self._clock = clock
        self._spent: dict[tuple[str, object], float] = {}
        """Until when the answers sent so far would have lasted, at the rate that is allowed."""
        self._over = 0

    def exempts(self, host: str) -> bool:
        """Tell whether an address has no limit."""
        return host in self._exempt

    def verdict(self, host: str, answer: bytes) -> str:
        """Count an answer and decide on it."""
        network, now = network_of(host), self._clock()
        if self._takes(network, kind(answer), self._settings.per_second, now) and self._takes(
            network, "", self._settings.all_per_second, now
        ):
            return SEND
        self._over += 1
        slip = self._settings.slip
        return SLIP if slip and not self._over % slip else DROP

    def _takes(self, network: str, kind_: object, rate: int, now: float) -> bool:
        """Take one answer from what a network may have (a leaky bucket, known as GCRA)."""
        if not rate:
            return True
        key = (network, kind_)
        until = max(self._spent.pop(key, 0.0), now)
        allowed = (until - now) * rate < BURST * rate - 0.5  # of whole answers; sums are not exact
        if len(self._spent) >= MOST_TRACKED:
            del self._spent[next(iter(self._spent))]
        self._spent[key] = until + 1 / rate if allowed else until
        return allowed


def network_of(host: str) -> str:
    """Return the network that an address is counted with: /24 of IPv4, /56 of IPv6."""
    if ":" not in host:
        return host.rpartition(".")[0]
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped:
        return str(address.ipv4_mapped).rpartition(".")[0]
    return address.packed[:7].hex()


def kind(answer: bytes) -> object:
    """Return what is one kind of answer: those to one question, or those without records."""
    code = answer[3] & 0xF
    if code or answer[6:8] == b"\0\0":
        return ERRORS.get(code, "error")
    return answer[12 : answer.index(b"\0", 12) + 5].lower()
