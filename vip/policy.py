"""How a VIP is balanced: the configuration's defaults, and what labels say otherwise.

An option stands in a label beside the VIP's own: ``VIP_0_SCHEDULER`` is of ``VIP_0``. It is
written as its key of ``[vip]`` in the configuration is, so one reader serves both.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

import msgspec

from pointsman.vip.model import Forwarding, Protocol, RealServer, Settings

Said: TypeAlias = tuple[tuple[str, int | float | str], ...]
"""Names and values of fields, sorted."""

SCHEDULERS = (
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf",
)  # fmt: skip

_PERSISTENT, ONE_PACKET = 0x1, 0x4
_FLAGS = {
    "ops": ONE_PACKET,
    "flag-1": 0x08, "sh-fallback": 0x08, "mh-fallback": 0x08,
    "flag-2": 0x10, "sh-port": 0x10, "mh-port": 0x10,
    "flag-3": 0x20,
}  # fmt: skip
"""``IP_VS_SVC_F_*`` by the names that ipvsadm gives them."""

_FORWARDING = {
    "masquerade": Forwarding.MASQUERADE,
    "direct": Forwarding.DIRECT,
    "tunnel": Forwarding.TUNNEL,
}
_TUNNELS = {"ipip": 0, "gue": 1, "gre": 2}  # IP_VS_CONN_F_TUNNEL_TYPE_*

NO_LIVE = ("open", "refuse")
LOCALITIES = ("none", "host", "zone", "region")


class Policy(msgspec.Struct, frozen=True, gc=False, order=True):
    """How a virtual server balances, and what becomes of its real servers."""

    scheduler: str = "wlc"
    flags: int = 0
    """Of the scheduler, ``IP_VS_SVC_F_*``."""
    persistence: int = 0
    """Seconds that a client stays with its real server; 0 for none."""
    group: int = 0
    """Prefix length that persistence groups clients by; 0 for single addresses."""
    no_live: str = "open"
    """With no live real server: ``open`` uses those that run, ``refuse`` resets connections."""
    panic: int = 0
    """Percent: when fewer of those that run are live, all of them are used."""
    locality: str = "none"
    """Up to where real servers are near enough: ``host``, ``zone``, ``region``, or ``none``."""
    near: int = 1
    """How many live ones there must be near enough; with fewer, one goes further."""
    drain: float = 30.0
    """Seconds that connections may last on a real server that gets no new ones."""
    slow_start: float = 0.0
    """Seconds in which a new real server comes to its full weight."""
    recover: float = 10.0
    """Seconds that all are still used once some are live again, so that those are not overrun."""
    max_ejected: int = 100
    """Percent of those that run that may be taken out because a check fails."""

    def settings(self, family: int) -> Settings:
        """Return what of it the kernel keeps for a virtual server of this family, 4 or 6.

        A group as long as an address, or longer (those are for IPv6), is that address alone.
        """
        persistent = _PERSISTENT if self.persistence else 0
        group = self.group if self.group < (128 if family == 6 else 32) else 0
        return Settings(self.scheduler, self.flags | persistent, self.persistence, group)


class Defaults(msgspec.Struct, frozen=True, gc=False):
    """What holds where no label says otherwise."""

    policy: Policy = Policy()
    real: RealServer = RealServer()


def read(option: str, value: str) -> Said:
    """Read an option, which is one of ``OPTIONS``.

    Raises ValueError, with a reason for people, when the value makes no sense.
    """
    return tuple(sorted(OPTIONS[option](value.strip()).items()))


@lru_cache(maxsize=4096)
def apply(defaults: Defaults, said: Said) -> Defaults:
    """Return the defaults with what labels say in its place."""
    policy = {name: value for name, value in said if name in Policy.__struct_fields__}
    real = {name: value for name, value in said if name not in policy}
    return Defaults(
        msgspec.structs.replace(defaults.policy, **policy),
        msgspec.structs.replace(defaults.real, **real),
    )


def possible(
    defaults: Defaults, protocol: Protocol, port: int, real_port: int
) -> tuple[Defaults, str]:
    """Return what of it works for a port, and why the rest doesn't ("" when all does).

    The kernel takes these, and would then lose packets.
    """
    policy, real = defaults.policy, defaults.real
    if real.forwarding != Forwarding.MASQUERADE and port != real_port:
        real = RealServer(real.weight, Forwarding.MASQUERADE, real.upper, real.lower)
        how = Forwarding(defaults.real.forwarding).name.lower()
        changed, _ = possible(Defaults(policy, real), protocol, port, real_port)
        return changed, f"forwarding {how} can't lead port {port} to port {real_port}"
    if policy.flags & ONE_PACKET and protocol != Protocol.UDP:
        policy = msgspec.structs.replace(policy, flags=policy.flags & ~ONE_PACKET)
        return Defaults(policy, real), "ops is for udp"
    if policy.flags & ONE_PACKET and real.forwarding == Forwarding.MASQUERADE:
        policy = msgspec.structs.replace(policy, flags=policy.flags & ~ONE_PACKET)
        return Defaults(policy, real), "ops needs forwarding direct or tunnel: replies get lost"
    return defaults, ""


def agreed(policies: Iterable[Policy]) -> Policy:
    """Return the policy that most have; of those that as many have the first in order."""
    counts: dict[Policy, int] = {}
    for policy in policies:
        counts[policy] = counts.get(policy, 0) + 1
    return min(counts, key=lambda policy: (-counts[policy], policy))


def _scheduler(value: str) -> dict[str, str | int]:
    name, *flags = (word.strip() for word in value.split(","))
    if name not in SCHEDULERS:
        raise ValueError(f"{name!r} is no scheduler; there are {', '.join(SCHEDULERS)}")
    found = 0
    for flag in flags:
        if flag not in _FLAGS:
            raise ValueError(f"{flag!r} is no flag; there are {', '.join(_FLAGS)}")
        found |= _FLAGS[flag]
    return {"scheduler": name, "flags": found}


def _persistence(value: str) -> dict[str, int]:
    seconds, slash, group = value.partition("/")
    return {
        "persistence": _number(seconds, "number of seconds", 0, 31 * 86_400),
        "group": _number(group, "prefix length", 1, 128) if slash else 0,
    }


def _thresholds(value: str) -> dict[str, int]:
    first, colon, second = value.partition(":")
    upper = _number(first, "number of connections", 0, 2**31 - 1)
    lower = _number(second, "number of connections", 0, 2**31 - 1) if colon else 0
    if lower > upper:
        raise ValueError(f"{value!r}: the lower threshold {lower} is above the upper")
    return {"upper": upper, "lower": lower}


def _forwarding(value: str) -> dict[str, int]:
    name, *rest = value.split(":")
    if name not in _FORWARDING or (rest and name != "tunnel"):
        raise ValueError(f"{value!r} is none of {', '.join(_FORWARDING)}, tunnel:gue:PORT")
    kind = rest[0] if rest else "ipip"
    if kind not in _TUNNELS or (kind == "gue") != (len(rest) == 2):
        raise ValueError(f"{value!r}: tunnels are tunnel, tunnel:gre and tunnel:gue:PORT")
    port = _number(rest[1], "port", 1, 65_535) if len(rest) == 2 else 0
    return {
        "forwarding": int(_FORWARDING[name]),
        "tunnel_type": _TUNNELS[kind],
        "tunnel_port": port,
    }


def _no_live(value: str) -> dict[str, str]:
    return {"no_live": _one_of(value, NO_LIVE)}


def _locality(value: str) -> dict[str, str | int]:
    name, colon, near = value.partition(":")
    found = _number(near, "number of real servers", 1, 65_535) if colon else 1
    return {"locality": _one_of(name, LOCALITIES), "near": found}


def _weight(value: str) -> dict[str, int]:
    return {"weight": _number(value, "weight", 0, 65_535)}


def _panic(value: str) -> dict[str, int]:
    return {"panic": _number(value.removesuffix("%"), "percentage", 0, 100)}


def _max_ejected(value: str) -> dict[str, int]:
    return {"max_ejected": _number(value.removesuffix("%"), "percentage", 0, 100)}


def _recover(value: str) -> dict[str, float]:
    return {"recover": _seconds(value)}


def _drain(value: str) -> dict[str, float]:
    return {"drain": _seconds(value)}


def _slow_start(value: str) -> dict[str, float]:
    return {"slow_start": _seconds(value)}


def _number(value: str, what: str, lowest: int, highest: int) -> int:
    if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
        raise ValueError(f"{value!r} is not a {what} ({lowest} to {highest})")
    return int(value)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{value!r} is not a number of seconds (0 to 86400)")
    return seconds


def _one_of(value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value


OPTIONS: Mapping[str, Callable[[str], Mapping[str, int | float | str]]] = {
    "scheduler": _scheduler,
    "persistence": _persistence,
    "forwarding": _forwarding,
    "weight": _weight,
    "thresholds": _thresholds,
    "drain": _drain,
    "slow_start": _slow_start,
    "no_live": _no_live,
    "panic": _panic,
    "recover": _recover,
    "max_ejected": _max_ejected,
    "locality": _locality,
}
