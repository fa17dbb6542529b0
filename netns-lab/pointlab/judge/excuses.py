"""Which requests had a reason to fail: nothing else than that may make one fail."""

from bisect import bisect_right

from pointlab.judge.truth import (
    FOREVER,
    Interval,
    common,
    extended,
    gaps,
    lasting,
    merged,
    served,
)
from pointlab.watch.recording import Endpoint, Load, Recording, Request, Task


def excused(recording: Recording, load: Load) -> list[Interval]:
    """Return when requests of a load had a reason to fail.

    The kernel that balances them held an instance that could not serve, or none at all; or it, or
    who asks, could not be reached.
    """
    found = [
        lasting(fault)
        for fault in recording.faults
        if load.director in fault.nodes or (load.source and load.source in fault.nodes)
    ]
    unfit: dict[Endpoint, list[Interval]] = {}
    for view in recording.views:
        if view.node != load.director or view.what != "kernel":
            continue
        for span, when in zip(view.spans, extended(view.spans), strict=True):
            if not span.endpoints:
                found.append(when)
            for one in span.endpoints:
                if one not in unfit:
                    unfit[one] = _unfit(recording, one)
                found += common([when], unfit[one])
    return merged(found)


def is_excused(request: Request, reasons: list[Interval]) -> bool:
    """Tell whether there was a reason while a request lasted."""
    before = bisect_right(reasons, (request.end, FOREVER)) - 1
    return before >= 0 and reasons[before][1] >= request.start


def late(recording: Recording) -> tuple[tuple[Load, Request], ...]:
    """Return the failed requests without a reason, each with its load."""
    found = []
    for load in recording.loads:
        failed = [request for request in load.requests if request.error]
        reasons = excused(recording, load) if failed else []
        found += [(load, request) for request in failed if not is_excused(request, reasons)]
    return tuple(found)


def _unfit(recording: Recording, one: Endpoint) -> list[Interval]:
    """Return when nothing could serve at an endpoint."""
    owners = [task for task in recording.tasks if one in task.endpoints]
    fit = merged(when for task in owners for when in _alive(recording, task))
    names = {task.id for task in owners}
    nodes = {task.agent for task in owners}
    hurt = [lasting(f) for f in recording.faults if f.tasks & names or f.nodes & nodes]
    return merged([*gaps(fit), *hurt])


def _alive(recording: Recording, task: Task) -> list[Interval]:
    """Return when a task served and had not ended unnoticed, with its machine."""
    ends = [fault.at + fault.takes for fault in recording.faults if task.id in fault.ended]
    return common(served(task), [(-FOREVER, min(ends, default=FOREVER))])
