"""What the kernel should come to: a function of what tasks put behind VIPs, and of this place.

What changed is worked out anew, at a cost that follows it; the rest is shared with the value
before.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec
from immutables import Map, MapMutation

from pointsman.discovery.model import Note
from pointsman.healthcheck.model import Target
from pointsman.vip import elect
from pointsman.vip.addresses import Assigned, Range
from pointsman.vip.backends import Backend, Vip
from pointsman.vip.elect import Place
from pointsman.vip.model import Key, Table
from pointsman.vip.paths import Path, Paths

K = TypeVar("K")
V = TypeVar("V")


_DIVIDED = "its tasks say different things of how it is balanced; what most say counts"
_TAKEN = "its address is that of a host"


class Move(msgspec.Struct, frozen=True, gc=False):
    """An address that a name had, and keeps beside its new one for a while."""

    name: str
    address: str
    until: float


class Wanted(msgspec.Struct, frozen=True):
    """All of it, and what changed since the value that it was made from."""

    targets: Map[Key, elect.Target] = Map()
    names: Map[str, tuple[str, ...]] = Map()
    """Addresses, IPv4 first, by name without its domain (``web.marathon``)."""
    changed: frozenset[Key] = frozenset()
    renamed: frozenset[str] = frozenset()
    """Names whose addresses are others, or that came or went."""
    members: Map[Vip, tuple[Backend, ...]] = Map()
    keys: Map[Vip, frozenset[Key]] = Map()
    owners: Map[Key, frozenset[Vip]] = Map()
    named: Map[str, frozenset[Vip]] = Map()
    assigned: Map[int, Assigned] = Map()
    """By family."""
    divided: Map[Vip, bool] = Map()
    """VIPs whose tasks disagree about how they are balanced."""
    taken: Map[Vip, bool] = Map()
    """VIPs whose address is that of a host."""
    moves: tuple[Move, ...] = ()
    paths: Paths = Paths()
    """How probes are led to real servers through their virtual servers."""
    settling: Map[Key, float] = Map()
    """Virtual servers whose target changes by itself, and when."""
    place: Place = Place()
    reserved: frozenset[str] = frozenset()
    """Addresses of hosts, which no VIP may have: who took one would cut the host off."""

    @property
    def table(self) -> Table:
        """The virtual servers of VIPs, sorted."""
        return {key: self.targets[key].server for key in sorted(self.targets) if not key.fwmark}

    def behind(self, key: Key) -> tuple[Backend, ...]:
        """Return who stands behind a virtual server."""
        return tuple(
            one
            for vip in sorted(self.owners.get(key, ()))
            for one in self.members[vip]
            if one.family == key.family
        )

    @property
    def wake(self) -> float | None:
        """When something changes by itself."""
        moves = (move.until for move in self.moves)
        return min((*moves, *self.settling.values()), default=None)

    @property
    def notes(self) -> tuple[Note, ...]:
        """VIPs that can't have an address, and those whose tasks disagree; sorted."""
        full = (
            Note(f"VIP {name}", f"no address is left in the range {one.range}")
            for one in self.assigned.values()
            for name in one.missing
        )
        divided = (Note(f"VIP {vip}", _DIVIDED) for vip in self.divided)
        taken = (Note(f"VIP {vip}", _TAKEN) for vip in self.taken)
        return tuple(sorted([*full, *divided, *taken]))


def begin(ranges: Iterable[Range]) -> Wanted:
    """Return what is wanted of nothing; a family without a range has no names."""
    return Wanted(assigned=Map({one.family: Assigned(one) for one in ranges}))


def update(
    before: Wanted,
    removed: Iterable[Backend],
    added: Iterable[Backend],
    place: Place,
    now: float,
    hold: float,
    reserved: frozenset[str] = frozenset(),
) -> Wanted:
    """Return what is wanted once these are gone and those have come.

    ``reserved`` are the addresses of hosts. ``hold`` is for how many seconds a name keeps an
    address that another name takes over from it; until then that one waits. ``now`` is of the clock
    that ``Wanted.wake`` is told by.
    """
    members, touched = _members(before.members, removed, added)
    names = {vip.name for vip in touched if vip.name}
    named = _named(before.named, members, touched)
    assigned, moved = _assigned(before, members, named, names)
    moves, ended = _moves(before, assigned, moved, now, hold)
    names |= {name for found in moved.values() for name in found} | ended
    affected = touched | {vip for name in names for vip in named.get(name, ())}
    if place != before.place:
        affected.update(members)
    if reserved != before.reserved:
        other = reserved ^ before.reserved
        affected.update(vip for vip in members if vip.address in other)
    places = _Places(assigned, moves, reserved)
    keys, owners = before.keys.mutate(), before.owners.mutate()
    divided, taken = before.divided.mutate(), before.taken.mutate()
    changed: set[Key] = set()
    for vip in affected:
        old = before.keys.get(vip, frozenset())
        new = frozenset(places.keys(vip, members.get(vip, ())))
        changed |= old | new
        for key in old - new:
            _put(owners, key, owners[key] - {vip})
        for key in new - old:
            _put(owners, key, owners.get(key, frozenset()) | {vip})
        _put(keys, vip, new)
        _put(divided, vip, len({one.policy for one in members.get(vip, ())}) > 1)
        _put(taken, vip, vip in members and vip.address in reserved)
    changed.update(key for key, when in before.settling.items() if when <= now)
    settling = before.settling.mutate()
    after = Wanted(
        members=members, keys=keys.finish(), owners=owners.finish(), named=named,
        assigned=assigned, divided=divided.finish(), taken=taken.finish(), moves=moves,
        place=place, reserved=reserved,
    )  # fmt: skip
    targets = before.targets.mutate()
    for key in changed:
        if behind := after.behind(key):
            targets[key] = elect.elect(behind, place, before.targets.get(key), now)
        elif key in targets:
            del targets[key]
        _put(settling, key, targets[key].settles or 0.0 if key in targets else 0.0)
    # What did not change stays the same value, for those who look only for another.
    there = _paths(affected, after.keys, members)
    gone = [one for one in _through(before.members, affected) if one not in there]
    paths, led = before.paths.update(gone, there)
    for key, target in led.items():
        changed.add(key)
        if target:
            targets[key] = target
        elif key in targets:
            del targets[key]
    found = targets.finish() if changed else before.targets
    addresses = before.names.mutate()
    for name in names:
        _put(addresses, name, places.of(name, members, named))
    published = addresses.finish() if names else before.names
    return msgspec.structs.replace(
        after,
        targets=found,
        settling=settling.finish(),
        paths=paths,
        names=published,
        changed=frozenset(k for k in changed if before.targets.get(k) != found.get(k)),
        renamed=frozenset(n for n in names if before.names.get(n) != published.get(n)),
    )


class _Places:
    """Where VIPs are: their names' addresses, but for those that another name still has."""

    def __init__(
        self,
        assigned: Mapping[int, Assigned],
        moves: Iterable[Move],
        reserved: frozenset[str],
    ) -> None:
        self._assigned = assigned
        self._reserved = reserved
        self._old = defaultdict(list)
        self._taken = {}
        for move in moves:
            self._old[move.name].append(move.address)
            self._taken[move.address] = move.name

    def keys(self, vip: Vip, members: Iterable[Backend]) -> Iterator[Key]:
        """Yield the virtual servers of a VIP."""
        for family in {one.family for one in members}:
            if vip.address:
                if vip.address not in self._reserved:
                    yield Key(vip.protocol, vip.address, vip.port)
                continue
            for address in (self._address(vip.name, family), *self._old.get(vip.name, ())):
                if address and (":" in address) == (family == 6):
                    yield Key(vip.protocol, address, vip.port)

    def of(
        self,
        name: str,
        members: Mapping[Vip, tuple[Backend, ...]],
        named: Mapping[str, frozenset[Vip]],
    ) -> tuple[str, ...]:
        """Return the addresses that a name is to have in DNS."""
        families = {one.family for vip in named.get(name, ()) for one in members[vip]}
        found = (self._address(name, family) for family in sorted(families))
        return tuple(address for address in found if address)

    def _address(self, name: str, family: int) -> str:
        address = self._assigned[family].address(name) if family in self._assigned else ""
        return address if self._taken.get(address, name) == name else ""


def _through(members: Mapping[Vip, Iterable[Backend]], vips: Iterable[Vip]) -> Iterator[Target]:
    """Yield the targets that are asked through these VIPs."""
    for vip in vips:
        for one in members.get(vip, ()):
            if one.target and one.target.via:
                yield one.target


def _paths(
    vips: Iterable[Vip],
    keys: Mapping[Vip, Iterable[Key]],
    members: Mapping[Vip, tuple[Backend, ...]],
) -> dict[Target, Path]:
    """Return how each target is asked that these VIPs lead to, where they have an address."""
    found = {}
    for vip in vips:
        first = {key.family: key for key in sorted(keys.get(vip, ()), reverse=True)}
        for one in members.get(vip, ()):
            if one.target and one.target.via and one.family in first:
                found[one.target] = (first[one.family], one.real)
    return found


def _members(
    before: Map[Vip, tuple[Backend, ...]], removed: Iterable[Backend], added: Iterable[Backend]
) -> tuple[Map[Vip, tuple[Backend, ...]], set[Vip]]:
    """Return who stands behind each VIP then, and which VIPs that is another for."""
    gone: dict[Vip, list[Backend]] = defaultdict(list)
    come: dict[Vip, list[Backend]] = defaultdict(list)
    for one in removed:
        gone[one.vip].append(one)
    for one in added:
        come[one.vip].append(one)
    members = before.mutate()
    touched = {*gone, *come}
    for vip in touched:
        lost = frozenset(gone[vip])
        left = (one for one in before.get(vip, ()) if one not in lost)
        _put(members, vip, (*left, *come[vip]))
    return members.finish(), touched


def _named(
    before: Map[str, frozenset[Vip]], members: Mapping[Vip, object], touched: Iterable[Vip]
) -> Map[str, frozenset[Vip]]:
    """Return the VIPs of each name."""
    named = before.mutate()
    for vip in touched:
        if vip.name:
            others = named.get(vip.name, frozenset()) - {vip}
            _put(named, vip.name, others | {vip} if vip in members else others)
    return named.finish()


def _assigned(
    before: Wanted,
    members: Mapping[Vip, tuple[Backend, ...]],
    named: Mapping[str, frozenset[Vip]],
    names: Iterable[str],
) -> tuple[Map[int, Assigned], dict[int, frozenset[str]]]:
    """Return the addresses of each family, and whose are others then."""
    there = {
        name: {one.family for vip in named.get(name, ()) for one in members[vip]} for name in names
    }
    assigned, moved = before.assigned.mutate(), {}
    for family, one in before.assigned.items():
        come = [name for name in there if family in there[name]]
        gone = [name for name in there if family not in there[name]]
        assigned[family], moved[family] = one.update(gone, come)
    return assigned.finish(), moved


def _moves(
    before: Wanted,
    assigned: Mapping[int, Assigned],
    moved: Mapping[int, frozenset[str]],
    now: float,
    hold: float,
) -> tuple[tuple[Move, ...], set[str]]:
    """Return which names keep an old address, and the names for which that has just ended."""
    found = {(":" in move.address, move.name): move for move in before.moves}
    for family, names in moved.items():
        for name in names:
            old, new = before.assigned[family].address(name), assigned[family].address(name)
            if old and new:
                found[family == 6, name] = Move(name, old, now + hold)
            elif not new:
                found.pop((family == 6, name), None)
    moves = tuple(move for _, move in sorted(found.items()) if move.until > now)
    ended = set()
    for move in before.moves:
        if move not in moves:
            holder = assigned[6 if ":" in move.address else 4].holder(move.address)
            ended |= {move.name, holder} - {""}
    return moves, ended


def _put(mutation: MapMutation[K, V], key: K, value: V) -> None:
    """Put what is there in its place, and leave none for what is empty."""
    if value:
        mutation[key] = value
    elif key in mutation:
        del mutation[key]
