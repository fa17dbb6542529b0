"""Which resolvers to ask: by what is known of how fast they answer, and whether they do."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pointsman.discovery import text
from pointsman.dns import wire
from pointsman.dns.forward import Address

AT_ONCE = 2
"""Upstreams that are asked at the same time."""

DOWN = 3
"""Failures without an answer between them, after which an upstream is believed to be down."""

PROBE = 1.0
"""Seconds from one question to the next for one that is down."""

PENALTY = 1.0
"""Seconds that a failure counts as when it comes to who is fast."""

FADE = 30.0
"""Seconds in which half of what is known of an upstream that is not asked is forgotten."""

_CODES = {
    wire.FORMERR: "formerr",
    wire.SERVFAIL: "servfail",
    wire.NOTIMP: "notimp",
    wire.REFUSED: "refused",
}


class Upstream:
    """A resolver, and what is known of it; one for each address, whatever zones it is asked for."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.answers = 0
        self.seconds = 0.0
        """That all answers together took."""
        self.failures: Counter[str] = Counter()
        """Questions without a good answer, by why."""
        self._cost = 0.0
        """Seconds to an answer, smoothed; failures count as slow ones."""
        self._told: float | None = None
        """When the cost was last told, None before anything was."""
        self._asked = 0.0
        self._silent = 0
        """Failures since the last answer."""

    def __str__(self) -> str:
        return text.joined(self.host, self.port)

    @property
    def down(self) -> bool:
        """Whether it is believed not to answer."""
        return self._silent >= DOWN

    def cost(self, now: float) -> float:
        """Return how slow it is: less with each second that it isn't asked, so that it will be."""
        return 0.0 if self._told is None else self._cost * 0.5 ** ((now - self._told) / FADE)

    def due(self, now: float) -> bool:
        """Tell whether it may be asked although it is down, as it might be back."""
        return now >= self._asked + PROBE

    def asked(self, now: float) -> None:
        """Note a question."""
        self._asked = now

    def answered(self, code: int, seconds: float, now: float) -> None:
        """Note an answer of any kind, so many seconds after the question."""
        self._silent = 0
        self.answers += 1
        self.seconds += seconds
        if not good(code):
            self.failures[_CODES.get(code, "other")] += 1
            seconds += PENALTY
        self._tell(seconds, now)

    def failed(self, why: str, now: float) -> None:
        """Note that no answer came, or one that can't be read."""
        self._silent += 1
        self.failures[why] += 1
        self._tell(PENALTY, now)

    def _tell(self, seconds: float, now: float) -> None:
        if self._told is None:
            self._cost = seconds
        else:
            before = self.cost(now)
            self._cost = before + (seconds - before) / 4
        self._told = now


class Routes:
    """The upstreams of names, by zone; the longest that a name is in counts."""

    def __init__(
        self, default: Iterable[Address], zones: Mapping[str, Iterable[Address]] = {}
    ) -> None:
        """Take addresses; those that are named twice are one upstream."""
        known: dict[Address, Upstream] = {}

        def those(addresses: Iterable[Address]) -> tuple[Upstream, ...]:
            return tuple(known.setdefault(at, Upstream(*at)) for at in addresses)

        self._default = those(default)
        self._zones = {f"{z.lower().removesuffix('.')}.": those(a) for z, a in zones.items()}
        self.all = tuple(known.values())

    def of(self, name: str) -> tuple[Upstream, ...]:
        """Return whom to ask about an absolute name in small letters."""
        while name and self._zones:
            found = self._zones.get(name)
            if found is not None:
                return found
            name = name.partition(".")[2]
        return self._default


def good(code: int) -> bool:
    """Tell whether an answer with this code says something of the name, not of who answers."""
    return code in (wire.ANSWERED, wire.NXDOMAIN)


def chosen(
    upstreams: Iterable[Upstream], now: float
) -> tuple[tuple[Upstream, ...], tuple[Upstream, ...]]:
    """Return whom to ask at once, and whom after them when they fail or take their time.

    The fastest are asked, and now and then one that is down: a real question finds out if it is
    back.
    """
    ranked = sorted(upstreams, key=lambda one: (one.down, one.cost(now)))
    up = sum(not one.down for one in ranked)
    best = ranked[: min(AT_ONCE, up) or AT_ONCE]
    rest = ranked[len(best) :]
    probed = [one for one in rest if one.down and one.due(now)][:1]
    return (*best, *probed), tuple(one for one in rest if one not in probed)
