"""The verdict on a recording: how soon all followed, and in words what was not as it should be."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from pointlab.judge.excuses import late
from pointlab.judge.findings import (
    Disagreement,
    Followed,
    Stale,
    Wrong,
    disagreements,
    followed,
    host,
    named,
    stale,
    wrong,
)
from pointlab.watch.recording import Load, Recording, Request

PATIENCE = 30.0
"""Seconds after which a change that was not followed is a problem."""


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
            *(note.text for note in recording.notes if note.unmet),
            *_late_words(recording, unexcused),
            *_followed_words(recording, follows),
            *(_stale_words(recording, one) for one in resurrected),
            *(_wrong_words(recording, one) for one in lacking),
            *(_disagreement_words(recording, one) for one in different),
        ),
    )


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


def _late_words(recording: Recording, found: Sequence[tuple[Load, Request]]) -> Iterator[str]:
    for name, count in Counter(load.name for load, _ in found).items():
        first = min((r for load, r in found if load.name == name), key=lambda r: r.start)
        many, which = (f"{count} requests", "the first ") if count > 1 else ("1 request", "")
        when = f"{first.start - recording.began:.2f} s"
        yield f"{name}: {many} failed without excuse, {which}at {when}: {first.error}"


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
        f"DNS of {one.node} named {one.task} ({host(one.endpoint)}) again "
        f"{_when(recording, one.first, one.last)}, after it had let it go"
    )


def _wrong_words(recording: Recording, one: Wrong) -> str:
    return f"{who(one.node, one.what)}: {one.said} {_when(recording, one.first, one.last)}"


def _disagreement_words(recording: Recording, one: Disagreement) -> str:
    names = {e: f"{task.id} ({host(e)})" for task in recording.tasks for e in task.endpoints}
    words = [
        f"{verb} {', '.join(names.get(e, host(e)) for e in sorted(those))}"
        for verb, those in (("lacks", one.lacks), ("still has", one.extra))
        if those
    ]
    return f"at the end {who(one.node, one.what)} {' and '.join(words)}"


def _when(recording: Recording, first: float, last: float) -> str:
    return f"from {first - recording.began:.2f} to {last - recording.began:.2f} s"
