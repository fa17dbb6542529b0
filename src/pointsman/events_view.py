"""Events for people: a line each, with what was before, what is now and why."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.terminal import toned


def lines(event: Mapping[str, Any], *, colours: bool = False) -> Iterator[str]:
    """Yield an event of ``/v1/events`` as lines, the time that of this host's zone."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["at"]))
    what = toned(event["what"], "heading", colours=colours)
    yield f"{toned(at, 'faint', colours=colours)}  {event['kind']:<6}  {what}: {_change(event)}"
    if event["why"]:
        yield f"  because {event['why']}"


def _change(event: Mapping[str, Any]) -> str:
    match event["before"], event["after"]:
        case "", after:
            return f"+ {after}" if after else "+"
        case before, "":
            return f"- {before}"
        case before, after:
            return f"{before} -> {after}"
