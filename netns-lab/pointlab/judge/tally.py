"""What became of the requests around each event: sent, failed, and failed without excuse."""

from collections.abc import Sequence

import msgspec

from pointlab.watch.recording import Request


class Event(msgspec.Struct, frozen=True):
    """Something that happened, and when the rest followed; times are of ``time.monotonic``."""

    what: str
    at: float
    dns: float
    """When DNS followed."""
    kernel: float
    """When the director's kernel followed."""
    breaks: bool = False
    """Requests may fail between ``at`` and ``kernel``."""


class Row(msgspec.Struct, frozen=True):
    """The requests that ended after an event and before the next."""

    event: Event | None
    """None for those before the first."""
    sent: int
    failed: int
    late: int
    """Failed ones without excuse: no event that breaks something was still unknown to the kernel
    while they lasted."""


def tally(requests: Sequence[Request], events: Sequence[Event]) -> tuple[Row, ...]:
    """Count the requests, each once; ``events`` are in order of time."""
    bounds = [float("-inf"), *(event.at for event in events), float("inf")]
    rows = []
    for event, since, until in zip((None, *events), bounds, bounds[1:], strict=False):
        during = [r for r in requests if since <= r.end < until]
        failed = [r for r in during if r.error]
        late = [r for r in failed if not excused(r, events)]
        rows.append(Row(event, len(during), len(failed), len(late)))
    return tuple(rows)


def excused(request: Request, events: Sequence[Event]) -> bool:
    """Tell whether a request lasted into a time in which the kernel could not know better."""
    return any(e.breaks and e.at <= request.end and request.start <= e.kernel for e in events)
