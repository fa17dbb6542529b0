"""A service whose instances are all replaced, one after the other, while its callers go on."""

import signal
import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from pointlab import apps, record, topology
from pointlab.demo import INSTANCES, VIP, bring_up, console, title
from pointlab.lab import Lab
from pointlab.load import Load
from pointlab.process import wait_for
from pointlab.record import Recorder

GRACE = 60.0
"""Seconds that an instance may take to end."""
STEADY = 2.0
"""Seconds of load before and after."""
DIRECTOR = "pointsman-master"


def run() -> int:
    """Show it; return 0 when no request failed."""
    out = console()
    lab = Lab("roll", topology.load("small"))
    spec = apps.web(lab.topology, "web", grace=GRACE)
    old = [f"web.{n}" for n in range(1, INSTANCES + 1)]

    def start() -> None:
        for id_ in old:
            lab.cluster.launch(id_, name="web", **spec)

    try:
        bring_up(lab, out, start)
        vip = wait_for(
            lambda: lab.output(f"dig +short {VIP}", "client").strip(), "the VIP's name", 20
        )
        table = Recorder(record.kernel(lab.processes.pid("master"), vip, 80), 0.01)
        wait_for(lambda: len(table.state) == INSTANCES, "all instances in the kernel", 20)
        host = f"{vip}:80"
        loads = {
            "short": Load(lab.netns("client"), host, threads=5, pause=0.005),
            "keep-alive": Load(lab.netns("client"), host, threads=5, pause=0.005, keep=True),
            "5 s long": Load(
                lab.netns("client"), host, threads=3, pause=0.1, path="/sleep/5", timeout=20
            ),
            "from an agent": Load(lab.netns("agent2"), host, threads=2, pause=0.01),
        }
        title(out, "All instances are replaced under load")
        for load in loads.values():
            load.start()
        time.sleep(STEADY)
        for number, victim in enumerate(old):
            _replace(lab, out, table, victim, f"web.{INSTANCES + number + 1}", crash=number == 1)
        time.sleep(STEADY)
        for load in loads.values():
            load.stop()
        table.stop()
        return _report(out, loads)
    finally:
        lab.stop()


def _replace(
    lab: Lab, out: Console, table: Recorder, victim: str, new: str, *, crash: bool
) -> None:
    """Start an instance, and end another once the new one is healthy."""
    cluster = lab.cluster
    task = cluster.tasks()[victim]
    endpoint = (task["agent"], task["ports"][0])
    cluster.launch(new, name="web", **apps.web(lab.topology, "web", grace=GRACE))
    wait_for(lambda: cluster.tasks()[new].get("healthy"), f"the health of {new}")
    if crash:
        lab.processes.stop(DIRECTOR, signal.SIGKILL)
        out.print(f"[red]✗[/] kill -9 of {DIRECTOR}, through which all connections go")
    killed = time.monotonic()
    cluster.kill(victim)
    wait_for(lambda: cluster.tasks()[victim]["state"] != "TASK_RUNNING", f"{victim} ending")
    out.print(f"[green]✓[/] {new} is healthy, {victim} is asked to end")
    if crash:
        lab.start_pointsman(lab.node("master"))
        wait_for(lambda: lab.ready(lab.node("master")), f"{DIRECTOR}")
        out.print(f"[green]✓[/] {DIRECTOR} is back")
    wait_for(lambda: cluster.tasks()[victim]["state"] == "TASK_KILLED", f"the end of {victim}")
    followed = wait_for(lambda: table.since(killed, lambda s: endpoint not in s), "the kernel")
    out.print(
        f"[green]✓[/] {victim} got no new connections after {followed - killed:.2f} s, and ended "
        f"after {time.monotonic() - killed:.1f} s: {cluster.tasks()[victim].get('message') or ''}"
    )


def _report(out: Console, loads: Mapping[str, Load]) -> int:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("requests", no_wrap=True)
    for column in ("sent", "a second", "servers", "slowest", "failed"):
        table.add_column(column, justify="right", no_wrap=True)
    failed = 0
    for name, load in loads.items():
        requests = load.requests
        lasted = max(r.end for r in requests) - min(r.start for r in requests)
        bad = [r for r in requests if r.error]
        failed += len(bad)
        table.add_row(
            name,
            str(len(requests)),
            f"{len(requests) / lasted:.0f}",
            str(len({r.server for r in requests if r.server})),
            f"{max(r.end - r.start for r in requests):.2f} s",
            str(len(bad)),
        )
        for error in sorted({r.error for r in bad}):
            out.print(f"  {name}: {error}", markup=False)
    title(out, "What it came to")
    out.print(table)
    total = sum(len(load.requests) for load in loads.values())
    out.print(f"\n{total} requests, [{'red' if failed else 'green'} bold]{failed} failed[/]")
    return 1 if failed else 0
