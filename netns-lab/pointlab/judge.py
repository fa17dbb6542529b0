"""What is to be said of a recording: how soon all followed, and whether anything was wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from pointlab.excuses import late
from pointlab.recording import Endpoint, Load, Recording, Request, Span, Task, View
from pointlab.truth import (
    FOREVER,
    SAID,
    Change,
    Interval,
    broken,
    cannot_follow,
    changes,
    common,
    expected,
    extended,
    lasting,
    longest,
    merged,
    of_endpoints,
    served,
    visible,
    without,
)

PATIENCE = 30.0
"""Seconds after which a change that was not followed is a problem."""
ALLOWANCE = 3.0
"""Seconds in which a view may still follow what was known before nobody could know."""
RECOVERY = 5.0
"""Seconds that a node takes to serve again once it is healed."""
EARLY = 0.5
"""Seconds by which a node may know of a start before the framework is told."""


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


class Figures(msgspec.Struct, frozen=True):
    """What it came to; the seconds are None where nothing was measured."""

    requests: int
    failed: int
    late: int
    dns_max: float | None
    """The longest that an answer named an ended task, or lacked one that served."""
    dns_median: float | None
    kernel_max: float | None
    kernel_median: float | None
    named_max: float | None
    """The longest that an answer named an ended task."""
    healed_max: float | None
    """The longest that a view took once it could follow again."""


class Verdict(msgspec.Struct, frozen=True):
    """All of it; ``problems`` is empty when all was as it should be."""

    followed: tuple[Followed, ...]
    late: tuple[tuple[Load, Request], ...]
    stale: tuple[Stale, ...]
    wrong: tuple[Wrong, ...]
    disagreements: tuple[Disagreement, ...]
    figures: Figures
    problems: tuple[str, ...]


def verdict(recording: Recording) -> Verdict:
    """Judge a recording."""
    follows, unexcused = followed(recording), late(recording)
    resurrected, lacking, different = stale(recording), wrong(recording), disagreements(recording)
    return Verdict(
        follows,
        unexcused,
        resurrected,
        lacking,
        different,
        _figures(recording, follows, len(unexcused)),
        (
            *_late_words(recording, unexcused),
            *_followed_words(recording, follows),
            *(_stale_words(recording, one) for one in resurrected),
            *(_wrong_words(recording, one) for one in lacking),
            *(_disagreement_words(recording, one) for one in different),
        ),
    )


def followed(recording: Recording) -> tuple[Followed, ...]:
    """Tell of each change since the recording began how each kernel and each DNS followed."""
    all_changes = changes(recording)
    found = []
    for view in recording.views:
        if view.what == "vip":
            continue
        holes = cannot_follow(recording, view.node)
        for number, change in enumerate(all_changes):
            mine = visible(change.task, view.what, recording.vip)
            if change.at >= recording.began and mine:
                later = all_changes[number + 1 :]
                again = (c.at for c in later if not mine.isdisjoint(c.task.endpoints))
                found.append(
                    _followed(view, change, mine, next(again, FOREVER), holes, recording.ended)
                )
    return tuple(sorted(found, key=lambda one: one.change.at))


def _followed(
    view: View,
    change: Change,
    mine: frozenset[Endpoint],
    again: float,
    holes: Sequence[Interval],
    ended: float,
) -> Followed:
    when = next(
        (
            max(span.first, change.at)
            for span, (_, until) in zip(view.spans, extended(view.spans), strict=True)
            if until > change.at and _has_followed(span, mine, change.serves)
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
    """Return where DNS named an ended instance after it had answered without it since."""
    times = of_endpoints(recording.tasks)
    found = []
    for view in recording.views:
        if view.what != "srv":
            continue
        for change, one, until in _ends(recording, times):
            gone = False
            for span in view.spans:
                if span.last < change.at or span.status not in SAID:
                    continue
                if span.first >= until - EARLY:
                    break
                if one not in span.endpoints:
                    gone = True
                elif gone:
                    last = min(span.last, until)
                    found.append(Stale(view.node, one, change.task.id, span.first, last))
    return tuple(found)


def named(recording: Recording) -> tuple[float, ...]:
    """Return for how long each DNS named each instance that had ended, while it could know."""
    times = of_endpoints(recording.tasks)
    found = []
    for view in recording.views:
        if view.what != "srv":
            continue
        holes = cannot_follow(recording, view.node)
        for change, one, until in _ends(recording, times):
            last = change.at
            for span in view.spans:
                if span.last < change.at or span.status not in SAID:
                    continue
                if span.first >= until or one not in span.endpoints:
                    break
                last = min(span.last, until)
            found.append(longest(without((change.at, last), holes)))
    return tuple(found)


def _ends(
    recording: Recording, times: dict[Endpoint, list[Interval]]
) -> Iterator[tuple[Change, Endpoint, float]]:
    """Yield each end of an endpoint since the beginning, and when something serves there again."""
    for change in changes(recording):
        if change.serves or change.at < recording.began:
            continue
        for one in change.task.endpoints:
            if not any(since <= change.at < until for since, until in times[one]):
                later = (since for since, _ in times[one] if since > change.at)
                yield change, one, next(later, FOREVER)


def wrong(recording: Recording) -> tuple[Wrong, ...]:
    """Return where a view had nothing, or no answer, though it knew an instance that served.

    And where DNS changed its mind while nobody could know anything new.
    """
    found = []
    for view in recording.views:
        excuses = broken(recording, view.node, view.what, RECOVERY)
        known = _known(recording, view)
        for span in view.spans:
            if span.status:
                whole = without((span.first, span.last), excuses)
                found += [
                    Wrong(view.node, view.what, span.status, since, until)
                    for since, until in common(merged(whole), known)
                ]
        if view.what == "srv":
            found += _changed_its_mind(recording, view)
    return tuple(found)


def _known(recording: Recording, view: View) -> list[Interval]:
    """Return when an instance served of which the view had told before."""
    found = []
    for task in recording.tasks:
        mine = visible(task, view.what, recording.vip)
        for since, until in served(task):
            for span in view.spans:
                told = not span.status if view.what == "vip" else mine & span.endpoints
                if told and span.last >= since:
                    if (first := max(span.first, since)) < until:
                        # At the moment of its end nothing needs to be known of it any more.
                        found.append((first, min(until, recording.ended) - 1e-9))
                    break
    return merged(one for one in found if one[0] < one[1])


def _changed_its_mind(recording: Recording, view: View) -> Iterator[Wrong]:
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
            or any(c.task is task and since - PATIENCE <= c.at <= until for c in changes(recording))
        }
        before: frozenset[Endpoint] | None = None
        for span in view.spans:
            if span.status not in SAID or span.first >= until:
                continue
            if span.first <= since + ALLOWANCE or before is None:
                before = span.endpoints
            elif odd := (before ^ span.endpoints) - free:
                said = f"{', '.join(map(_host, sorted(odd)))} changed while nobody could know"
                yield Wrong(view.node, view.what, said, span.first, min(span.last, until))
                before = span.endpoints


def _is_hurt(recording: Recording, task: Task, until: float) -> bool:
    return any(
        fault.at < until and (task.id in fault.tasks or task.agent in fault.nodes)
        for fault in recording.faults
    )


def disagreements(recording: Recording) -> tuple[Disagreement, ...]:
    """Return where a kernel or DNS was not as the tasks were at the end.

    Nothing is asked of a node that is still broken then, nor of tasks that are.
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
    found = []
    for view in recording.views:
        if view.what == "vip" or any(
            since <= ended < until for since, until in cannot_follow(recording, view.node)
        ):
            continue
        last = view.spans[-1].endpoints if view.spans else frozenset()
        should = expected(recording, view.what, ended)
        lacks, extra = should - last - hurt, last - should - hurt
        if lacks or extra:
            found.append(Disagreement(view.node, view.what, lacks, extra))
    return tuple(found)


def _figures(recording: Recording, follows: Sequence[Followed], unexcused: int) -> Figures:
    took = defaultdict(list)
    for one in follows:
        if one.when is not None and one.reason in ("", "healed"):
            took[one.reason or one.what].append(one.took)
    requests = [request for load in recording.loads for request in load.requests]
    return Figures(
        len(requests),
        sum(bool(request.error) for request in requests),
        unexcused,
        max(took["srv"], default=None),
        median(took["srv"]) if took["srv"] else None,
        max(took["kernel"], default=None),
        median(took["kernel"]) if took["kernel"] else None,
        max(named(recording), default=None),
        max(took["healed"], default=None),
    )


def who(node: str, what: str) -> str:
    """Name a view in a sentence."""
    kind = {"kernel": "the kernel of", "srv": "DNS of", "vip": "the VIP's name at"}[what]
    return f"{kind} {node}"


def _late_words(
    recording: Recording, found: Sequence[tuple[Load, Request]]
) -> Iterator[str]:  # fmt: skip
    for name, count in Counter(load.name for load, _ in found).items():
        first = min((r for load, r in found if load.name == name), key=lambda r: r.start)
        yield (
            f"{name}: {count} requests failed without excuse, "
            f"the first at {first.start - recording.began:.2f} s: {first.error}"
        )


def _followed_words(recording: Recording, found: Sequence[Followed]) -> Iterator[str]:
    for one in found:
        if one.took > PATIENCE:
            did = "took" if one.when is not None else "had not followed after"
            what = "start" if one.change.serves else "end"
            yield (
                f"{who(one.node, one.what)} {did} {one.took:.1f} s: the {what} of "
                f"{one.change.task.id} at {one.change.at - recording.began:.2f} s"
            )


def _stale_words(recording: Recording, one: Stale) -> str:
    return (
        f"DNS of {one.node} named {one.task} ({_host(one.endpoint)}) again "
        f"{_when(recording, one.first, one.last)}, after it had let it go"
    )


def _wrong_words(recording: Recording, one: Wrong) -> str:
    return f"{who(one.node, one.what)}: {one.said} {_when(recording, one.first, one.last)}"


def _disagreement_words(recording: Recording, one: Disagreement) -> str:
    names = {e: f"{task.id} ({_host(e)})" for task in recording.tasks for e in task.endpoints}
    words = [
        f"{verb} {', '.join(names.get(e, _host(e)) for e in sorted(those))}"
        for verb, those in (("lacks", one.lacks), ("still has", one.extra))
        if those
    ]
    return f"at the end {who(one.node, one.what)} {' and '.join(words)}"


def _when(recording: Recording, first: float, last: float) -> str:
    return f"from {first - recording.began:.2f} to {last - recording.began:.2f} s"


def _host(one: Endpoint) -> str:
    return f"[{one[0]}]:{one[1]}" if ":" in one[0] else f"{one[0]}:{one[1]}"
