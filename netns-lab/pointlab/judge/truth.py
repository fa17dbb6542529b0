"""What was so in the cluster: which tasks served when, and what could not be known or reached."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

import msgspec

from pointlab.watch.recording import Endpoint, Fault, Moment, Recording, Span, Task, endpoint

Interval = tuple[float, float]
"""From when to when."""
FOREVER = float("inf")
SAID = ("", "NXDOMAIN", "empty", "no virtual server", "no real server")
"""The statuses of looks that tell which instances there are; by others nothing is known."""


class Change(msgspec.Struct, frozen=True):
    """A task began to serve, or ceased to."""

    at: float
    task: Task
    serves: bool


def serves(task: Task, moment: Moment) -> bool:
    """Tell whether a task serves, by what Mesos said of it."""
    fit = bool(moment.healthy) if task.checked else moment.healthy is not False
    return moment.state == "TASK_RUNNING" and fit


def changes(recording: Recording) -> tuple[Change, ...]:
    """Return all of them in order of time, also those before the recording began."""
    found = []
    for task in recording.tasks:
        before = False
        for moment in task.moments:
            if serves(task, moment) != before:
                before = not before
                found.append(Change(moment.at, task, before))
    return tuple(sorted(found, key=lambda change: change.at))


def served(task: Task) -> list[Interval]:
    """Return when a task served."""
    return _while([(moment.at, serves(task, moment)) for moment in task.moments])


def ran(task: Task) -> list[Interval]:
    """Return when a task ran, healthy or not."""
    return _while([(moment.at, moment.state == "TASK_RUNNING") for moment in task.moments])


def _while(steps: Sequence[tuple[float, bool]]) -> list[Interval]:
    found: list[Interval] = []
    begun: float | None = None
    for at, holds in steps:
        if holds:
            begun = at if begun is None else begun
        elif begun is not None:
            found.append((begun, at))
            begun = None
    return found if begun is None else [*found, (begun, FOREVER)]


def of_endpoints(
    tasks: Iterable[Task], when: Callable[[Task], list[Interval]]
) -> dict[Endpoint, list[Interval]]:
    """Return when anything did, by endpoint: one task may come to have the port of another."""
    found: dict[Endpoint, list[Interval]] = {}
    for task in tasks:
        for one in task.endpoints:
            found[one] = merged([*found.get(one, []), *when(task)])
    return found


def visible(task: Task, what: str, vip: str) -> frozenset[Endpoint]:
    """Return a task's endpoints that a view names: a kernel those of the kind of its VIP."""
    if what == "srv":
        return frozenset(task.endpoints)
    kind = ":" in endpoint(vip)[0]
    return frozenset(one for one in task.endpoints if (":" in one[0]) == kind)


def own(tasks: Iterable[Task], zones: Mapping[str, str], node: str) -> frozenset[Endpoint]:
    """Return the endpoints of a node's own zone; none where it has no zone."""
    zone = zones.get(node)
    mine = (task for task in tasks if zone and zones.get(task.agent) == zone)
    return frozenset(one for task in mine for one in task.endpoints)


def preferred(
    serving: frozenset[Endpoint], what: str, near: frozenset[Endpoint]
) -> frozenset[Endpoint]:
    """Return what a view names of all that serve: a kernel those that are near, if any is."""
    return (serving & near if what == "kernel" else serving) or serving


def expected(recording: Recording, node: str, what: str, at: float) -> frozenset[Endpoint]:
    """Return what a view of a node would name at a moment if it followed at once."""
    found: set[Endpoint] = set()
    for task in recording.tasks:
        if any(since <= at < until for since, until in served(task)):
            found |= visible(task, what, recording.vip)
    return preferred(frozenset(found), what, own(recording.tasks, recording.zones, node))


class Course(msgspec.Struct, frozen=True):
    """A value that changes with time."""

    times: list[float]
    values: list[frozenset[Endpoint]]
    """From each of the times on."""

    def at(self, moment: float) -> frozenset[Endpoint]:
        """Return the value at a moment; empty before the first."""
        return self._value(bisect_right(self.times, moment))

    def before(self, moment: float) -> frozenset[Endpoint]:
        """Return the value just before a moment."""
        return self._value(bisect_left(self.times, moment))

    def has(self, those: frozenset[Endpoint], after: float) -> Iterator[tuple[float, bool]]:
        """Yield the later times, and whether it has all of those then."""
        place = bisect_right(self.times, after)
        for at, value in zip(self.times[place:], self.values[place:], strict=True):
            yield at, those <= value

    def _value(self, place: int) -> frozenset[Endpoint]:
        return self.values[place - 1] if place else frozenset()


def course(recording: Recording, node: str, what: str) -> Course:
    """Return what ``expected`` returns, of all moments at once."""
    near = own(recording.tasks, recording.zones, node)
    serving = _course(
        (moment, task.id, visible(task, what, recording.vip), serves_)
        for task in recording.tasks
        for interval in served(task)
        for moment, serves_ in zip(interval, (True, False), strict=True)
    )
    return Course(serving.times, [preferred(one, what, near) for one in serving.values])


def hurt(recording: Recording) -> Course:
    """Return the endpoints that are broken on purpose, themselves or their hosts."""
    return _course(
        (moment, (number, task.id), frozenset(task.endpoints), begins)
        for number, fault in enumerate(recording.faults)
        for task in recording.tasks
        if task.id in fault.tasks or task.agent in fault.nodes
        for moment, begins in zip(lasting(fault), (True, False), strict=True)
    )


def _course(steps: Iterable[tuple[float, Hashable, frozenset[Endpoint], bool]]) -> Course:
    """Return the union of what has begun and not ended; each is known by its key."""
    times: list[float] = []
    values: list[frozenset[Endpoint]] = []
    there: dict[Hashable, frozenset[Endpoint]] = {}
    # What ends and begins again at the same moment is there.
    for at, key, endpoints, begins in sorted(steps, key=lambda step: (step[0], step[3])):
        if begins:
            there[key] = endpoints
        else:
            there.pop(key, None)
        if not times or times[-1] != at:
            times.append(at)
            values.append(frozenset())
        values[-1] = frozenset[Endpoint]().union(*there.values())
    return Course(times, values)


def lasting(fault: Fault) -> Interval:
    """Return when a fault was there."""
    return fault.at, FOREVER if fault.until is None else fault.until


def cannot_follow(recording: Recording, node: str) -> list[Interval]:
    """Return when a node could not follow: it or its program was broken, or all were blind."""
    return merged(
        lasting(fault)
        for fault in recording.faults
        if fault.blind or node in fault.nodes or node in fault.programs
    )


def broken(recording: Recording, node: str, what: str, after: float = 0.0) -> list[Interval]:
    """Return when a node could not show a view, and so many seconds after each end of that.

    A kernel goes on without the program, unless the node was broken just before: then it is empty
    until the program has started.
    """
    lost = [lasting(fault) for fault in recording.faults if node in fault.nodes]

    def counts(fault: Fault) -> bool:
        anew = any(since <= fault.at <= until + after for since, until in lost)
        return node in fault.nodes or (node in fault.programs and (what != "kernel" or anew))

    return merged(
        (fault.at, lasting(fault)[1] + after) for fault in recording.faults if counts(fault)
    )


def extended(spans: Sequence[Span]) -> list[Interval]:
    """Return when what each span saw may have been so: until the next was seen."""
    ends = [span.first for span in spans[1:]]
    return [
        (span.first, end) for span, end in zip(spans, [*ends, FOREVER], strict=False)
    ]  # fmt: skip


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same in order, those that meet as one."""
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found


def common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Return where both are; each is as ``merged`` returns it."""
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        since, until = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if since <= until:
            found.append((since, until))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(one: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """Return what is left of an interval; holes are as ``merged`` returns them.

    An interval that is a moment is left unless it is in a hole.
    """
    found = []
    since, until = one
    for begin, end in holes:
        if end < since or begin > until:
            continue
        if begin > since:
            found.append((since, begin))
        since = end
        if since >= until:
            return found
    return [*found, (since, until)]


def gaps(intervals: Sequence[Interval]) -> list[Interval]:
    """Return when none of them is, from ever to ever; they are as ``merged`` returns them."""
    return without((-FOREVER, FOREVER), intervals)


def longest(intervals: Iterable[Interval]) -> float:
    """Return the seconds of the longest, 0 when there is none."""
    return max((until - since for since, until in intervals), default=0.0)
