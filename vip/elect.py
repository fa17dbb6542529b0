"""Which of those behind a VIP take new connections, and how long the others keep theirs."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pointsman.healthcheck.verdict import Verdict
from pointsman.vip.backends import Backend
from pointsman.vip.model import ORDERED, Endpoint, RealServer, VirtualServer
from pointsman.vip.policy import Policy, agreed

_RUNNING = (Verdict.LIVE, Verdict.UNHEALTHY, Verdict.LOST)
_RANK = {
    Verdict.LIVE: 0, Verdict.UNHEALTHY: 1, Verdict.LOST: 2, Verdict.KILLING: 3, Verdict.STARTING: 4,
}  # fmt: skip

MARGIN = 10
"""Percent above its threshold that the live must be before a panic ends."""

_REACH = {"host": 0, "zone": 1, "region": 2, "none": 3}


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where this node is."""

    addresses: frozenset[str] = frozenset()
    """Its own, as agents tell theirs."""
    name: str = ""
    """What tells it from other nodes."""
    region: str = ""
    zone: str = ""

    def distance(self, other: Backend) -> int:
        """Return 0 for this host, 1 for its zone, 2 for its region, 3 for further away."""
        if other.agent in self.addresses:
            return 0
        if not self.region or other.region != self.region:
            return 3
        return 1 if self.zone and other.zone == self.zone else 2


class Target(msgspec.Struct, frozen=True):
    """What a virtual server should come to."""

    server: VirtualServer
    """A real server of weight 0 gets no new connections and may keep those it has."""
    drains: Mapping[Endpoint, float] = {}
    """Seconds that connections may last, for each of those."""
    slow_start: float = 0.0
    """Seconds in which a new real server comes to its full weight."""
    open: bool = False
    """Too few are live: all that run are used."""
    settles: float | None = None
    """When that ends, unless there is a reason before; None for at no time."""

    @property
    def live(self) -> bool:
        """Tell whether any real server takes new connections."""
        return any(real.weight for real in self.server.real_servers.values())


def elect(
    behind: Sequence[Backend], place: Place, before: Target | None = None, now: float = 0.0
) -> Target:
    """Return what a virtual server of these should come to; ``before`` is what it was to come to.

    The live take connections. When none is (or fewer of those that run than the policy's panic
    threshold), those that run do, healthy or not, and when none runs, those that are being killed:
    better a doubtful answer than surely none. A task that has not passed its first health check
    never does. Of all these, the near ones suffice if the policy says so.

    Who gets no connections keeps those it has, but for one that is lost.
    """
    policy = agreed(one.policy for one in behind)
    members: dict[Endpoint, Backend] = {}
    for one in sorted(behind, key=order):
        local = one.agent in place.addresses
        members.setdefault(one.local if local else one.endpoint, one)
    turns = sorted(members, key=lambda endpoint: _turn(endpoint, place, policy))
    open_, settles = _open(members, policy, before, now)
    chosen = _near(_usable(members, policy, open_=open_), place, policy)
    kept = [e for e in turns if e in chosen or members[e].verdict != Verdict.LOST]
    return Target(
        VirtualServer(
            policy.settings(behind[0].family),
            {
                endpoint: members[endpoint].real
                if endpoint in chosen
                else _without_weight(members[endpoint].real)
                for endpoint in kept
            },
        ),
        {
            endpoint: _drain(members[endpoint], policy)
            for endpoint in kept
            if endpoint not in chosen or not members[endpoint].real.weight
        },
        policy.slow_start,
        open_,
        settles,
    )


def _turn(endpoint: Endpoint, place: Place, policy: Policy) -> tuple[int, Endpoint]:
    """Sort so that each node begins with another, where its order need not be that of all.

    Schedulers that take turns would all begin with the same real server, and again after every
    change (kubernetes#121591).
    """
    if not place.name or policy.scheduler == ORDERED:
        return 0, endpoint
    return zlib.crc32(f"{place.name} {endpoint}".encode()), endpoint


def order(one: Backend) -> tuple[int, str, str, Endpoint]:
    """Sort so that of two tasks that claim one endpoint the better comes first."""
    return _RANK[one.verdict], one.framework_id, one.task_id, one.endpoint


def _open(
    members: Mapping[Endpoint, Backend], policy: Policy, before: Target | None, now: float
) -> tuple[bool, float | None]:
    """Tell whether too few are live, and when that ends by itself.

    It begins when no one is, or fewer than the panic threshold. When the first come back they
    could not bear what all others had, and who was out for the network's sake alone still has
    its connections: it ends when all are back, or when they have had the time of
    ``policy.recover`` for that, and are clearly above the threshold.
    """
    live, running = len(_of(members, (Verdict.LIVE,))), len(_of(members, _RUNNING))
    if policy.no_live == "refuse" or not running:
        return False, None
    if not live or live * 100 < running * policy.panic:
        return True, None
    if before is None or not before.open:
        return False, None
    if live * 100 < running * min(policy.panic + MARGIN, 100) and policy.panic:
        return True, None
    if live == running:
        return False, None
    settles = now + policy.recover if before.settles is None else before.settles
    return (False, None) if now >= settles else (True, settles)


def _usable(
    members: Mapping[Endpoint, Backend], policy: Policy, *, open_: bool
) -> dict[Endpoint, Backend]:
    live = _of(members, (Verdict.LIVE,))
    running = _of(members, _RUNNING)
    if open_:
        return running
    if not running and policy.no_live == "open":
        return _of(members, (Verdict.KILLING,))
    return live | _spared(running, policy)


def _spared(running: Mapping[Endpoint, Backend], policy: Policy) -> dict[Endpoint, Backend]:
    """Return who is used though a check fails: more may not be taken out; the last to fail are.

    At least one may be taken out, unless none may.
    """
    if policy.max_ejected >= 100:
        return {}
    failed = sorted(
        (endpoint for endpoint, one in running.items() if one.verdict != Verdict.LIVE),
        key=lambda endpoint: (running[endpoint].since, endpoint),
    )
    most = max(len(running) * policy.max_ejected // 100, 1) if policy.max_ejected else 0
    return {endpoint: running[endpoint] for endpoint in failed[most:]}


def _of(
    members: Mapping[Endpoint, Backend], verdicts: Iterable[Verdict]
) -> dict[Endpoint, Backend]:
    return {endpoint: one for endpoint, one in members.items() if one.verdict in verdicts}


def _near(
    usable: Mapping[Endpoint, Backend], place: Place, policy: Policy
) -> Mapping[Endpoint, Backend]:
    if policy.locality == "none":
        return usable
    distances = {endpoint: place.distance(one) for endpoint, one in usable.items()}
    for reach in range(_REACH[policy.locality], _REACH["none"]):
        near = {endpoint: one for endpoint, one in usable.items() if distances[endpoint] <= reach}
        if len(near) >= policy.near:
            return near
    return usable


def _drain(one: Backend, policy: Policy) -> float:
    return one.grace if one.verdict == Verdict.KILLING and one.grace else policy.drain


def _without_weight(real: RealServer) -> RealServer:
    return msgspec.structs.replace(real, weight=0)
