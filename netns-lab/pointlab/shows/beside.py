"""Pointsman beside its peers: the same is broken before both, and the same judgement is made."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pointlab.judge.findings import Followed
from pointlab.judge.judge import Verdict, verdict
from pointlab.shows.demo import console, show_ended, title
from pointlab.site import apps, peers, topology
from pointlab.site.lab import Lab
from pointlab.site.process import wait_for, with_variable
from pointlab.watch.eyes import Eyes, srv_name, vip_name
from pointlab.watch.recording import Fault
from pointlab.watch.watching import LoadSpec, Watching

APP = "web"
INSTANCES = 3
RATE = 10.0
"""Requests a second before each director: the guest's one processor bears the whole cluster."""
KERNEL, DNS = 0.1, 0.2
"""Seconds from one look to the next, at the kernel and at DNS."""
STEADY = 8.0
"""Seconds after each event: the peers' data are up to 2 s old."""
PATIENCE = 180.0
PAUSE = 0.5
"""Seconds from one look whether all is there to the next: they are costly."""
OURS, PEERS = "Pointsman", "keepalived, BIND"


def run() -> int:
    """Show it; return 0 when all followed, and nothing failed through Pointsman without excuse."""
    out = console()
    lab = Lab("peers", topology.load("peers"))
    try:
        title(out, "One cluster; before it Pointsman, and beside that keepalived and BIND")
        lab.start()
        lab.wait()
        return _show(lab, out)
    except BaseException:
        show_ended(lab, out)
        raise
    finally:
        lab.stop()


def ours(lab: Lab, vip: str, *, rate: float = RATE) -> Watching:
    """Return how Pointsman is watched: on the director of the client."""
    client = next(one for one in lab.topology.nodes.values() if one.vips and not one.runs)
    edge = lab.node(client.vips)
    load = LoadSpec(
        f"{APP} from {client.name}", lab.netns(client.name), client.name, edge.name, vip, rate
    )
    nodes = {edge.name: (lab.netns(edge.name), edge.address)}
    return Watching(APP, vip, nodes, [load], srv_name(APP), vip_name(APP), kernel=KERNEL, dns=DNS)


def _show(lab: Lab, out: Console) -> int:
    eyes = Eyes(lab, lambda: ())
    lab.cluster.keep(APP, INSTANCES, **apps.web(lab.topology, APP))
    _until(lambda: not eyes.instances(APP, INSTANCES), "Pointsman having all")
    watched = {
        OURS: ours(lab, eyes.vip(APP)),
        PEERS: peers.watched(lab, APP, rate=RATE, kernel=KERNEL, dns=DNS),
    }
    _until(lambda: peers.have(lab, APP, INSTANCES), "the peers having all")
    for one in watched.values():
        one.start()
    time.sleep(2.0)
    victim = min(lab.cluster.running(APP))
    (pid,) = with_variable("TASK", victim)
    out.print(f"  kill -9 of {victim}")
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    time.sleep(STEADY)
    for number in (INSTANCES + 2, 1):
        out.print(f"  scale to {number}")
        lab.cluster.keep(APP, number)
        _until(lambda n=number: not eyes.instances(APP, n), f"{number} instances")  # type: ignore[misc]
        time.sleep(STEADY)
    for one in watched.values():
        one.stop()
    tasks = eyes.tasks(APP)
    # Until Mesos knows of it, nobody can.
    (known,) = (task.moments[-1].at for task in tasks if task.id == victim)
    kill = Fault(killed, f"kill -9 {victim}", tasks=frozenset({victim}), until=known)
    verdicts = {
        name: verdict(one.recording(name, lab.topology.name, tasks, (kill,), ()))
        for name, one in watched.items()
    }
    return _report(out, verdicts)


def _until(condition: Callable[[], bool], what: str) -> None:
    def paused() -> bool:
        time.sleep(PAUSE)
        return condition()

    wait_for(paused, what, PATIENCE)


def _report(out: Console, verdicts: Mapping[str, Verdict]) -> int:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("\nchange", no_wrap=True)
    for name in verdicts:
        for what in ("kernel", "DNS"):
            table.add_column(
                f"{name.split(', ')[what == 'DNS'] if ', ' in name else name}\n{what}",
                justify="right",
                no_wrap=True,
            )
    columns = [took(v.followed, what) for v in verdicts.values() for what in ("kernel", "srv")]
    for change in dict.fromkeys(change for column in columns for change in column):
        table.add_row(change, *(column.get(change, "") for column in columns))
    title(out, "How long after Mesos said so each followed")
    out.print(table)
    title(out, "Requests")
    for name, one in verdicts.items():
        figures = one.figures
        out.print(
            f"{name}: {figures.requests} requests, {figures.failed} failed; {figures.late} of those"
            " though the kernel had only live instances",
            soft_wrap=True,
        )
        for problem in one.problems:
            out.print(f"  {problem}", markup=False, soft_wrap=True)
    followed = all(
        f.when is not None for v in verdicts.values() for f in v.followed if not f.reason
    )
    return 0 if followed and not verdicts[OURS].problems else 1


def took(found: Sequence[Followed], what: str) -> dict[str, str]:
    """Return how long a kind of view took, by change."""
    return {
        f"{one.change.task.id} {'serves' if one.change.serves else 'ends'}": (
            f"{one.took:.2f} s" if one.when is not None else one.reason or "never"
        )
        for one in found
        if one.what == what
    }
