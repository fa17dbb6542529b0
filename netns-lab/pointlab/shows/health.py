"""Health checks under load: what breaks, how soon either director lets it go, who notices."""

import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointlab.shows.demo import console, title
from pointlab.shows.health_server import SLOW
from pointlab.shows.health_site import (
    BACKENDS,
    CLIENT,
    FALL,
    INTERVAL,
    PREFIX,
    TIMEOUT,
    Backend,
    Director,
    Site,
)
from pointlab.site import network
from pointlab.site.process import wait_for
from pointlab.watch.recording import Request
from pointlab.watch.stream import Stream

RATE = 75.0
"""Requests a second through each director."""
PATIENCE = SLOW + 1
"""Seconds that a client waits for an answer."""
STEADY = 2.0
"""Seconds of load before and after what happens."""
MOST = 30.0
"""Seconds after which a director will not do it any more."""
CUT = 5.0
"""Seconds for which the directors are cut off from the servers."""
HERD = 0.8
"""Share of a second's answers that no server may have given, just after all recovered."""
FLAPS, FLAP = 7, 3.0
"""How often a server fails, and for how many seconds it does and then does not."""
DAMPING = 60.0
"""Seconds, as is the default."""
MOST_CHANGES = 3
"""It falls, recovers, falls again, and is held."""


class Break(msgspec.Struct, frozen=True):
    """Something that happens to a server, and how it is undone."""

    what: str
    do: Callable[[Site, Backend], None]
    undo: Callable[[Site, Backend], None]


def _behaves(what: str, how: str) -> Break:
    return Break(what, lambda _, one: one.behave(how), lambda _, one: one.behave("well"))


def _fill(_: Site, one: Backend) -> None:
    """Write until nothing is left."""
    with (one.disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def _free(_: Site, one: Backend) -> None:
    (one.disk / "filler").unlink()


BREAKS = {
    "kill": Break(
        "kill -9",
        lambda site, one: site.processes.stop(one.name, signal.SIGKILL),
        lambda site, one: site.start_server(one),
    ),
    "stop": Break(
        "stopped process",
        lambda site, one: site.processes.send(one.name, signal.SIGSTOP),
        lambda site, one: site.processes.send(one.name, signal.SIGCONT),
    ),
    "black-hole": Break(
        "black-holed host",
        lambda site, one: site.plug(one.name, in_=False),
        lambda site, one: site.plug(one.name, in_=True),
    ),
    "full-disk": Break("full disk, answers 500", _fill, _free),
    "slow": _behaves(f"answers take {SLOW:.0f} s", "slow"),
    "silent": _behaves("accepts, never answers", "silent"),
    "deaf": _behaves("accepts no more", "deaf"),
}
SCENES = (*BREAKS, "all", "cut", "flap")


class Followed(msgspec.Struct, frozen=True):
    """What one director did about a break, in seconds after it and after its end."""

    removed: float
    back: float
    failed: int
    late: int
    """Failed requests that started after the removal."""


class Show:
    """The scenes, on a site under load."""

    def __init__(self, site: Site, out: Console) -> None:
        self.site = site
        self.out = out
        self.loads = [Stream(CLIENT, d.host, RATE, PATIENCE) for d in site.directors]
        self.bad: list[str] = []
        """What should not have been."""

    def breaks(self, names: Sequence[str]) -> None:
        """Break one server after the other, each in another way."""
        title(self.out, "One of four servers breaks")
        rows = {}
        for number, name in enumerate(names):
            broken, one = BREAKS[name], BACKENDS[number % len(BACKENDS)]
            ours, peer = rows[broken.what] = self._break(broken, one)
            self.out.print(f"[green]✓[/] {one.name}: {broken.what}")
            if ours.late:
                self.bad.append(f"{broken.what}: {ours.late} failed after the removal")
            if ours.removed > peer.removed:
                self.out.print("[yellow]!  keepalived was faster")
        self.out.print(_breaks_table(rows))

    def _break(self, broken: Break, one: Backend) -> list[Followed]:
        at = time.monotonic()
        broken.do(self.site, one)
        removed = [self._when(d, at, one, there=False) for d in self.site.directors]
        # Until those that came before have failed as well.
        time.sleep(max(*removed, at) + PATIENCE + STEADY - time.monotonic())
        undone = time.monotonic()
        broken.undo(self.site, one)
        healed = time.monotonic()
        back = [self._when(d, undone, one, there=True) for d in self.site.directors]
        time.sleep(STEADY)
        found = []
        for load, out, again in zip(self.loads, removed, back, strict=True):
            failed = [r for r in list(load.requests) if r.end >= at and r.error]
            late = [r for r in failed if r.start > out]
            self._errors(late)
            found.append(Followed(out - at, max(again - healed, 0), len(failed), len(late)))
        return found

    def _when(self, director: Director, since: float, one: Backend, *, there: bool) -> float:
        """Wait until a director's kernel has a server, or has it no more; return when that was."""
        what = f"{director.name} to {'take back' if there else 'let go of'} {one.name}"

        def found() -> float | None:
            return director.live.since(since, lambda s: (one.endpoint in s) == there)

        return wait_for(found, what, MOST)

    def _errors(self, requests: Sequence[Request]) -> None:
        for error, count in Counter(r.error for r in requests).most_common():
            self.out.print(f"  {count:4} {error}", markup=False)

    def all(self) -> None:
        """Break all servers at once; then they recover at once."""
        title(self.out, "All servers break, and recover")
        at = time.monotonic()
        for one in BACKENDS:
            _fill(self.site, one)
        time.sleep(2 * FALL * INTERVAL + STEADY)
        self._kept("all answer 500")
        healed = time.monotonic()
        for one in BACKENDS:
            _free(self.site, one)
        self._all_back(healed)
        time.sleep(max(healed + STEADY + 1 - time.monotonic(), 0))
        table = _table("answers by server", *(one.name for one in BACKENDS), "most")
        for director, load in zip(self.site.directors, self.loads, strict=True):
            for second in range(3):
                since = healed + second
                answers = [r for r in list(load.requests) if since <= r.start < since + 1]
                by = Counter(r.server for r in answers if not r.error)
                most = max(by.values(), default=0) / max(by.total(), 1)
                if director is self.site.ours and most > HERD:
                    self.bad.append(f"one server got {most:.0%} of what came after the recovery")
                counts = [str(by[one.name]) for one in BACKENDS]
                table.add_row(f"{director.name}, second {second + 1}", *counts, f"{most:.0%}")
        self.out.print(table)
        lowest = min(len(s) for t, s in self.site.ours.live.changes if t >= at)
        if not lowest:
            self.bad.append("the VIP was without real servers")

    def cut(self) -> None:
        """Cut the directors off from all servers for a while."""
        title(self.out, f"The directors are cut off from all servers for {CUT:.0f} s")
        for director in self.site.directors:
            self.site.plug(director.name, in_=False)
        time.sleep(CUT)
        self._kept("cut off")
        joined = time.monotonic()
        for director in self.site.directors:
            self.site.plug(director.name, in_=True)
        self._all_back(joined)
        time.sleep(PATIENCE)
        for director, load in zip(self.site.directors, self.loads, strict=True):
            after = [r for r in list(load.requests) if r.start > joined]
            failed = [r for r in after if r.error]
            self.out.print(
                f"  {director.name}: of {len(after)} requests since the end of it "
                f"{len(failed)} failed"
            )
            self._errors(failed)

    def _kept(self, when: str) -> None:
        """Say how many real servers each director has now; ours should have all."""
        ours, peer = (len(director.live.state) for director in self.site.directors)
        self.out.print(
            f"[green]✓[/] {when}: Pointsman's VIP has {ours} servers, keepalived's {peer}"
        )
        if ours < len(BACKENDS):
            self.bad.append(f"{when}: the VIP has {ours} servers")

    def _all_back(self, since: float) -> None:
        """Wait until both directors have all servers for good, and say how they came to that."""
        time.sleep(STEADY)
        for director in self.site.directors:
            wait_for(
                lambda live=director.live: len(live.state) == len(BACKENDS),  # type: ignore[misc]
                f"all servers at {director.name}",
                MOST,
            )
            steps = [(at - since, len(s)) for at, s in director.live.changes if at >= since]
            took = ", ".join(f"{size} after {at:.2f} s" for at, size in steps) or "all all the time"
            self.out.print(f"[green]✓[/] {director.name} has {took}")

    def flap(self) -> None:
        """Have a server fail and recover again and again."""
        title(self.out, f"A server fails {FLAPS} times, for {FLAP:.0f} s of {2 * FLAP:.0f} s each")
        one = BACKENDS[0]
        at = time.monotonic()
        for _ in range(FLAPS):
            for act in (_fill, _free):
                act(self.site, one)
                time.sleep(FLAP)
        for director in self.site.directors:
            changes = sum(1 for _ in _changes(director, one, at))
            self.out.print(f"  {director.name}: {changes} changes of the VIP")
            if director is self.site.ours and changes > MOST_CHANGES:
                self.bad.append(f"{changes} changes of the VIP while a server flapped")
        shown = self.site.show_health()
        self.out.print("[cyan]pointsman$[/] pointsman show health")
        self.out.print(Text(shown), soft_wrap=True)
        if "flapping" not in shown:
            self.bad.append("nothing shows that the server is held")


def _changes(director: Director, one: Backend, since: float) -> Iterator[float]:
    """Yield when a server came to get connections or none."""
    before = True
    for at, state in director.live.changes:
        if at >= since and (one.endpoint in state) != before:
            before = not before
            yield at


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _breaks_table(rows: dict[str, list[Followed]]) -> Table:
    table = _table("break", "", "removed", "failed", "after it", "back")
    for what, both in rows.items():
        for first, one in zip((True, False), both, strict=True):
            table.add_row(
                what if first else "",
                "Pointsman" if first else "keepalived",
                f"{one.removed:.2f} s",
                str(one.failed),
                Text(str(one.late), style="red bold" if one.late and first else ""),
                f"{one.back:.2f} s",
            )
    return table


def run(names: Sequence[str]) -> int:
    """Show these scenes, or all; return 0 when all was as it should be."""
    out = console()
    if network.namespaces(PREFIX):
        out.print("[red]it runs already, or was killed: netns-lab/lab down checks")
        return 1
    # Each request that waits is a socket; while all servers are away, all wait.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    site = Site()
    try:
        return _show(site, out, names or SCENES)
    except TimeoutError:
        for name in site.processes.names():
            out.print(f"{name}:\n{site.processes.log(name).read_text()[-2000:]}", markup=False)
        raise
    finally:
        site.down()


def _show(site: Site, out: Console, names: Sequence[str]) -> int:
    site.up()
    out.print(
        f"Pointsman and keepalived before the same four servers, {RATE:.0f} requests a second "
        f"through each.\nBoth ask HTTP every {INTERVAL} s, wait {TIMEOUT} s, and believe "
        f"{FALL} failures in a row.",
        soft_wrap=True,
    )
    show = Show(site, out)
    for load in show.loads:
        load.start()
    time.sleep(STEADY)
    if broken := [name for name in names if name in BREAKS]:
        show.breaks(broken)
    for scene in (show.all, show.cut, show.flap):
        if scene.__name__ in names:
            # Falls of the scenes before would count in this one.
            site.restart_ours(DAMPING)
            scene()
    for load in show.loads:
        load.stop()
    sent = sum(len(load.requests) for load in show.loads)
    title(out, "What it came to")
    out.print(f"{sent} requests")
    for problem in show.bad:
        out.print(f"[red]✗ {problem}")
    return 1 if show.bad else 0
