"""What changed from one look at the virtual servers to the next: `pointsman status --watch`."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pointsman.discovery import text
from pointsman.discovery.errors import Transient
from pointsman.status import page, vip
from pointsman.terminal import CLEAR, toned

MOST = 10
"""Changes that are shown below the page, the latest."""

Status = Mapping[str, Any]


def differences(before: Status, after: Status) -> list[str]:
    """Return a line for each state and weight that is another; what is counted does not matter."""
    old, new = dict(_told(before)), dict(_told(after))
    return [
        f"{subject}: {old.get(subject, 'nothing')} -> {new.get(subject, 'gone')}"
        for subject in sorted(old.keys() | new.keys())
        if old.get(subject) != new.get(subject)
    ]


def _told(status: Status) -> Iterator[tuple[str, str]]:
    yield "this node", "ready" if status["ready"] else status["not_ready"]
    yield "the cluster", status["mode"]
    for server in status["virtual_servers"]:
        name = vip(server)
        yield name, server["scheduler"] if server["in_kernel"] else "not served"
        for real in server["real_servers"]:
            where = text.joined(real["address"], real["port"])
            yield f"{name} {where}", f"{real['state']}, weight {real['weight']}"


def watch(
    look: Callable[[], Status],
    wait: Callable[[], None],
    show: Callable[[str], None],
    clock: Callable[[], float] = time.time,
    *,
    redraw: bool,
    colours: bool,
) -> None:
    """Show the page again and again, and below it what changed, until ``wait`` raises.

    ``clock`` gives seconds since 1970. Without ``redraw`` pages follow each other. While nobody
    answers, that is shown.
    """
    known: Status | None = None
    changes: deque[str] = deque(maxlen=MOST)
    while True:
        now = time.strftime("%H:%M:%S", time.localtime(clock()))
        try:
            found = look()
        except Transient as error:
            body = f"{error}\n"
        else:
            if known is not None:
                changes += (f"{now}  {line}" for line in differences(known, found))
            known, body = found, page(found, colours=colours)
        below = "".join(f"{line}\n" for line in changes)
        heading = toned("changes", "heading", colours=colours)
        body += f"\n{heading}\n{below}" if changes else ""
        show(f"{CLEAR}{now}\n{body}" if redraw else f"{now}\n{body}\n")
        wait()
