"""Which of those behind a VIP take new connections, and how long the others keep theirs."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pointsman.healthcheck.verdict import Verdict
from pointsman.vip.backends import Backend
from pointsman.vip.model import ORDERED, Endpoint, RealServer, VirtualServer
from pointsman.vip.policy import Policy, agreed

_RUNNING = (Verdict.LIVE, Verdict.UNHEALTHY)
_RANK = {Verdict.LIVE: 0, Verdict.UNHEALTHY: 1, Verdict.KILLING: 2, Verdict.STARTING: 3}

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

    @property
    def live(self) -> bool:
        """Tell whether any real server takes new connections."""
        return any(real.weight for real in self.server.real_servers.values())


def elect(behind: Sequence[Backend], place: Place) -> Target:
    """Return what a virtual server of these should come to.

    The live take connections. When none is (or fewer of those that run than the policy's panic
    threshold), those that run do, healthy or not, and when none runs, those that are being killed:
    better a doubtful answer than surely none. A task that has not passed its first health check
    never does. Of all these, the near ones suffice if the policy says so.
    """
    policy = agreed(one.policy for one in behind)
    members: dict[Endpoint, Backend] = {}
    for one in sorted(behind, key=order):
        local = one.agent in place.addresses
        members.setdefault(one.local if local else one.endpoint, one)
    turns = sorted(members, key=lambda endpoint: _turn(endpoint, place, policy))
    chosen = _near(_usable(members, policy), place, policy)
    return Target(
        VirtualServer(
            policy.settings(behind[0].family),
            {
                endpoint: members[endpoint].real
                if endpoint in chosen
                else _without_weight(members[endpoint].real)
                for endpoint in turns
            },
        ),
        {
            endpoint: _drain(one, policy)
            for endpoint, one in members.items()
            if endpoint not in chosen or not one.real.weight
        },
        policy.slow_start,
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


def _usable(members: Mapping[Endpoint, Backend], policy: Policy) -> dict[Endpoint, Backend]:
    live = _of(members, (Verdict.LIVE,))
    running = _of(members, _RUNNING)
    if live and len(live) * 100 >= len(running) * policy.panic:
        return live
    if policy.no_live == "refuse":
        return live
    return running or _of(members, (Verdict.KILLING,))


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
