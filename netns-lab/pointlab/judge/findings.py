"""What is found in a recording: how soon all followed, and what was stale, wrong, or lacking."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from pointlab.judge.truth import (
    FOREVER,
    SAID,
    Change,
    Interval,
    broken,
    cannot_follow,
    changes,
    common,
    course,
    expected,
    extended,
    lasting,
    longest,
    merged,
    of_endpoints,
    ran,
    served,
    visible,
    without,
)
from pointlab.watch.recording import Endpoint, Recording, Span, Task, View

ALLOWANCE = 3.0
"""Seconds in which a view may still follow what was known before nobody could know."""
RECOVERY = 5.0
"""Seconds that a node takes to serve again once it is healed."""
RETURNING = 10.0
"""Seconds in which an agent that comes back may tell of tasks that it then finds ended."""
JUST = 2.0
"""Seconds before the end in which a change may not have been followed."""
EARLY = 0.5
"""Seconds by which a node may know of a task before the framework is told."""


class Followed(msgspec.Struct, frozen=True):
    """How a view followed a task that began to serve or ceased to."""

    change: Change
    node: str
    what: str
    when: float | None
    """None when it did not before the next change or the end."""
    took: float
    """Seconds, at a stretch, in which it could follow and had not."""
    reason: str = ""
    """Why that is no measure: ``changed again``, ``healed``, ``still broken``."""


class Stale(msgspec.Struct, frozen=True):
    """DNS named an instance again that had ended, after it had let it go."""

    node: str
    endpoint: Endpoint
    task: str
    first: float
    last: float


class Wrong(msgspec.Struct, frozen=True):
    """A view lacked what it should have had."""

    node: str
    what: str
    said: str
    """A status, or what changed while nobody could know."""
    first: float
    last: float


class Disagreement(msgspec.Struct, frozen=True):
    """A view was not as the tasks were at the end."""

    node: str
    what: str
    lacks: frozenset[Endpoint]
    extra: frozenset[Endpoint]


def followed(recording: Recording) -> tuple[Followed, ...]:
    """Tell of each change since the recording began how each kernel and each DNS followed."""
    all_changes = changes(recording)
    found = []
    for view in recording.views:
        if view.what == "vip":
            continue
        holes = cannot_follow(recording, view.node)
        ends = [until for _, until in extended(view.spans)]
        wanted = course(recording, view.node, view.what)
        for change in all_changes:
            mine = visible(change.task, view.what, recording.vip)
            had, has = mine <= wanted.before(change.at), mine <= wanted.at(change.at)
            # Where others are preferred, or another is at its place, there is nothing to follow.
            if (
                change.at >= recording.began
                and mine
                and (had, has) == (not change.serves, change.serves)
            ):
                again = (at for at, there in wanted.has(mine, change.at) if there != has)
                found.append(
                    _followed(
                        view, ends, change, mine, next(again, FOREVER), holes, recording.ended
                    )
                )
    return tuple(sorted(found, key=lambda one: one.change.at))


def _followed(
    view: View,
    ends: Sequence[float],
    change: Change,
    mine: frozenset[Endpoint],
    again: float,
    holes: Sequence[Interval],
    ended: float,
) -> Followed:
    when = next(
        (
            max(span.first, change.at)
            for span in islice(view.spans, bisect_right(ends, change.at), None)
            if _has_followed(span, mine, change.serves)
        ),
        None,
    )
    if when is not None and when > again:
        when = None
    stop = min(again, ended) if when is None else when
    took = longest(without((change.at, max(stop, change.at)), holes))
    reason = "healed" if common([(change.at, stop)], holes) else ""
    if when is None and again < FOREVER:
        reason = "changed again"
    elif when is None and any(since <= ended <= until for since, until in holes):
        reason = "still broken"
    return Followed(change, view.node, view.what, when, took, reason)


def _has_followed(span: Span, mine: frozenset[Endpoint], serves: bool) -> bool:
    if serves:
        return mine <= span.endpoints
    return span.status in SAID and mine.isdisjoint(span.endpoints)


def stale(recording: Recording) -> tuple[Stale, ...]:
    """Return where DNS named an ended instance after it had answered without it since.

    A program that starts is left out: until it has heard of a master it answers from what it kept
    of the run before, some seconds of which it may have lost.
    """
    found = []
    for view in recording.views:
        if view.what != "srv":
            continue
        starts = merged(lasting(f) for f in recording.faults if view.node in f.programs)
        lasts = [span.last for span in view.spans]
        for change, one, until in _ends(recording):
            gone = False
            for span in islice(view.spans, bisect_left(lasts, change.at), None):
                if span.status not in SAID:
                    continue
                if span.first >= until - EARLY:
                    break
                if one not in span.endpoints:
                    gone = True
                elif gone and not _returning(recording, change.task, span):
                    found += [
                        Stale(view.node, one, change.task.id, first, last)
                        for first, last in without((span.first, min(span.last, until)), starts)
                    ]
    return tuple(found)


def _returning(recording: Recording, task: Task, span: Span) -> bool:
    """Tell whether Mesos says of a task that it runs, as its agent is back and has not looked."""
    return any(
        task.id in fault.ended
        and fault.until is not None
        and fault.at <= span.first
        and span.last <= fault.until + RETURNING
        for fault in recording.faults
    )


def named(recording: Recording) -> tuple[float, ...]:
    """Return for how long each DNS named each instance that had ended, while it could know."""
    found = []
    for view in recording.views:
        if view.what != "srv":
            continue
        holes = cannot_follow(recording, view.node)
        lasts = [span.last for span in view.spans]
        for change, one, until in _ends(recording):
            last = change.at
            for span in islice(view.spans, bisect_left(lasts, change.at), None):
                if span.status not in SAID:
                    continue
                if span.first >= until or one not in span.endpoints:
                    break
                last = min(span.last, until)
            found.append(longest(without((change.at, last), holes)))
    return tuple(found)


def _ends(recording: Recording) -> Iterator[tuple[Change, Endpoint, float]]:
    """Yield each end of an endpoint since the beginning, and when something runs there again.

    While nothing is healthy, DNS names all that run.
    """
    serving = of_endpoints(recording.tasks, served)
    running = of_endpoints(recording.tasks, ran)
    for change in changes(recording):
        if change.serves or change.at < recording.began:
            continue
        for one in change.task.endpoints:
            if not any(since <= change.at < until for since, until in serving[one]):
                begins = [since for since, _ in (*serving[one], *running[one])]
                later = (since for since in begins if since > change.at)
                yield change, one, min(later, default=FOREVER)


def wrong(recording: Recording) -> tuple[Wrong, ...]:
    """Return where a view had nothing, or no answer, though it knew an instance that served.

    And where DNS changed its mind while nobody could know anything new.
    """
    found = []
    for view in recording.views:
        excuses = broken(recording, view.node, view.what, RECOVERY)
        known = _known(recording, view)
        for span in view.spans:
            if span.status and not _is_slip(span):
                whole = without((span.first, span.last), excuses)
                found += [
                    Wrong(view.node, view.what, span.status, since, until)
                    for since, until in common(merged(whole), known)
                ]
        if view.what == "srv":
            found += _changed_its_mind(recording, view)
    return tuple(found)


def _is_slip(span: Span) -> bool:
    """Tell whether one question only had no answer in time: who asks again has it."""
    return span.status == "timeout" and span.count == 1


def _known(recording: Recording, view: View) -> list[Interval]:
    """Return when an instance served of which the view had told before."""
    found = []
    lasts = [span.last for span in view.spans]
    for task in recording.tasks:
        mine = visible(task, view.what, recording.vip)
        for since, until in served(task):
            for span in islice(view.spans, bisect_left(lasts, since), None):
                told = not span.status if view.what == "vip" else mine & span.endpoints
                if told:
                    if (first := max(span.first, since)) < until - EARLY:
                        found.append((first, min(until - EARLY, recording.ended)))
                    break
    return merged(one for one in found if one[0] < one[1])


def _changed_its_mind(recording: Recording, view: View) -> Iterator[Wrong]:
    all_changes = changes(recording)
    for fault in recording.faults:
        since, until = lasting(fault)
        if not fault.blind:
            continue
        # What else happened meanwhile may be followed: checks of its own tell a node of it.
        free = {
            one
            for task in recording.tasks
            for one in task.endpoints
            if _is_hurt(recording, task, until)
            or any(c.task is task and since - ALLOWANCE <= c.at <= until for c in all_changes)
        }
        before: frozenset[Endpoint] | None = None
        for span in view.spans:
            if span.status not in SAID or span.first >= until:
                continue
            if span.first <= since + ALLOWANCE or before is None:
                before = span.endpoints
            elif odd := (before ^ span.endpoints) - free:
                said = f"{', '.join(map(host, sorted(odd)))} changed while nobody could know"
                yield Wrong(view.node, view.what, said, span.first, min(span.last, until))
                before = span.endpoints


def _is_hurt(recording: Recording, task: Task, until: float) -> bool:
    return any(
        fault.at < until and (task.id in fault.tasks or task.agent in fault.nodes)
        for fault in recording.faults
    )


def disagreements(recording: Recording) -> tuple[Disagreement, ...]:
    """Return where a kernel or DNS was not as the tasks were at the end.

    Nothing is asked of a node that is still broken then, nor of tasks that are, or that changed
    just before.
    """
    ended = recording.ended
    lasts = [fault for fault in recording.faults if lasting(fault)[1] > ended]
    hurt = {
        one
        for task in recording.tasks
        for fault in lasts
        for one in task.endpoints
        if task.id in fault.tasks or task.agent in fault.nodes
    }
    for change in changes(recording):
        if ended - JUST < change.at <= ended:
            hurt |= {*change.task.endpoints}
    found = []
    for view in recording.views:
        if view.what == "vip" or any(
            since <= ended < until for since, until in cannot_follow(recording, view.node)
        ):
            continue
        last = view.spans[-1].endpoints if view.spans else frozenset()
        should = expected(recording, view.node, view.what, ended)
        lacks, extra = should - last - hurt, last - should - hurt
        if lacks or extra:
            found.append(Disagreement(view.node, view.what, lacks, extra))
    return tuple(found)


def host(one: Endpoint) -> str:
    """Write an endpoint as one does."""
    return f"[{one[0]}]:{one[1]}" if ":" in one[0] else f"{one[0]}:{one[1]}"
