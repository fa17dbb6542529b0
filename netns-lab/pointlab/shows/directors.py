"""Two directors before one service: what the clients notice when one of them goes, and comes back.

The client is behind a router, which learns VIPs of both by BGP and sends them to one of the two.
"""

import signal
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from pointlab.shows.demo import console, show_ended, title
from pointlab.site import apps, bgp, mesos, topology
from pointlab.site.lab import Lab
from pointlab.site.process import wait_for
from pointlab.site.topology import Topology
from pointlab.watch.load import Load

INSTANCES = 3
STEADY = 3.0
"""Seconds of load before and after each event."""
PATIENCE = 6.0
"""Seconds that a request may take: those that the crash swallows come through by being resent."""
BOOT = 180.0
"""Seconds that may pass until a director announces again."""
KEPT = 4
"""Connections that are kept."""
DIRECT = 15000
"""The port of the service with direct forwarding, which leaves ports as they are."""
ALIKE = {"VIP_0_FORWARDING": "direct", "VIP_0_SCHEDULER": "mh,mh-port,mh-fallback"}
"""Both directors choose the same real server, which answers the client past them."""


class Phase(msgspec.Struct):
    """From something that is done until the next."""

    what: str
    began: float
    followed: float = 0.0
    """When the router had followed; 0 where it had nothing to follow."""


class Count(msgspec.Struct, frozen=True):
    """The requests of a load that began in a phase."""

    sent: int
    failed: int
    late: int
    """Failed that began after the router had followed; all that failed where it had nothing to."""


def direct(network: Topology) -> dict[str, Any]:
    """Return an app behind ``/direct:15000``, which is forwarded direct and chosen alike."""
    spec = apps.web(network, "direct", port=DIRECT, host_port=DIRECT)
    (port,) = spec["discovery"]["ports"]["ports"]
    port["labels"]["labels"] += [{"key": k, "value": v} for k, v in ALIKE.items()]
    command = f"exec {mesos.python()} -IS {mesos.SOURCES / 'web.py'} 0.0.0.0 {DIRECT}"
    return spec | {"ports": [DIRECT], "cmd": command}


def run() -> int:
    """Show it; return 0 when what is promised held."""
    out = console()
    lab = Lab("directors", topology.load("directors"))
    try:
        hosts = _bring_up(lab, out)
        return _show(lab, out, hosts)
    except BaseException:
        show_ended(lab, out)
        raise
    finally:
        lab.stop()


def _bring_up(lab: Lab, out: Console) -> dict[str, str]:
    """Start all; return ``ADDRESS:PORT`` of both services' VIPs."""
    title(out, "Two directors and a router")
    lab.start()
    lab.wait()
    cluster = lab.cluster
    cluster.keep("web", INSTANCES, **apps.web(lab.topology, "web"))
    cluster.keep("direct", INSTANCES, **direct(lab.topology))
    hosts = {}
    for app, port in (("web", 80), ("direct", DIRECT)):
        wait_for(lambda app=app: len(cluster.running(app)) == INSTANCES, f"the instances of {app}")  # type: ignore[misc]
        name = f"{app}.marathon.l4lb.thisdcos.directory"
        vip = wait_for(
            lambda name=name: lab.output(f"dig +short @10.31.0.21 {name}", "client").strip(),  # type: ignore[misc]
            name, 20,
        )  # fmt: skip
        wait_for(lambda vip=vip: bgp.active(lab, vip), f"the router's route to {vip}", 30)  # type: ignore[misc]
        hosts[app] = f"{vip}:{port}"
    return hosts


def _show(lab: Lab, out: Console, hosts: Mapping[str, str]) -> int:
    client = lab.netns("client")
    loads = {}
    for name, app in (("masquerade", "web"), ("direct, mh", "direct")):
        host = hosts[app]
        loads[f"{name}, short"] = Load(client, host, threads=2, pause=0.05, timeout=PATIENCE)
        loads[f"{name}, kept"] = Load(
            client, host, threads=KEPT, pause=0.2, timeout=PATIENCE, keep=True
        )
    for load in loads.values():
        load.start()
    phases = [Phase("steady", time.monotonic())]
    time.sleep(STEADY)
    vip = hosts["web"].rpartition(":")[0]
    first = lab.node(bgp.active(lab, vip))
    (second,) = (d for d in lab.topology.running("announce") if d != first)

    def begin(what: str) -> Phase:
        out.print(f"  {what}")
        phases.append(Phase(what, time.monotonic()))
        return phases[-1]

    def follow(phase: Phase, to: str) -> None:
        wait_for(lambda: bgp.active(lab, vip) == to, f"the router sending to {to}", 30)
        phase.followed = time.monotonic()
        out.print(f"  the router sends to {to} after {phase.followed - phase.began:.2f} s")
        time.sleep(STEADY)

    begin(f"Pointsman on {first.name} killed")
    lab.processes.stop(f"pointsman-{first.name}", signal.SIGKILL)
    time.sleep(STEADY)
    lab.start_pointsman(first)
    wait_for(lambda: lab.ready(first), f"Pointsman on {first.name}", BOOT)
    time.sleep(STEADY)

    phase = begin(f"{first.name} crashes")
    lab.crash(first)
    follow(phase, second.name)

    begin(f"{first.name} is back")
    lab.boot(first)
    wait_for(lambda: lab.ready(first), f"Pointsman on {first.name}", BOOT)
    wait_for(lambda: bgp.knows(lab, vip, first), f"{first.name} announcing {vip}", BOOT)
    time.sleep(STEADY)

    phase = begin(f"{second.name} withdraws")
    lab.processes.stop(f"announce-{second.name}")
    follow(phase, first.name)
    begin(f"{second.name} is out")
    lab.processes.stop(f"pointsman-{second.name}")
    lab.crash(second)
    time.sleep(STEADY)
    for load in loads.values():
        load.stop()
    return _report(out, phases, loads)


def count(load: Load, phase: Phase, until: float) -> Count:
    """Count the requests of a load that began in a phase."""
    mine = [r for r in load.requests if phase.began <= r.start < until]
    failed = [r for r in mine if r.error]
    late = [r for r in failed if r.start >= phase.followed]
    return Count(len(mine), len(failed), len(late))


def _report(out: Console, phases: list[Phase], loads: Mapping[str, Load]) -> int:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("\nwhat happens", no_wrap=True)
    table.add_column("router\nfollows", justify="right", no_wrap=True)
    for name in loads:
        head = name.rpartition(", ")
        table.add_column(f"{head[0]}\n{head[2]}", justify="right", no_wrap=True)
    broken = 0
    ends = [*(p.began for p in phases[1:]), time.monotonic()]
    for phase, end in zip(phases, ends, strict=True):
        counts = {name: count(load, phase, end) for name, load in loads.items()}
        broken += sum(unpromised(name, c, phase) for name, c in counts.items())
        after = f"{phase.followed - phase.began:.2f} s" if phase.followed else ""
        cells = (f"{c.failed} of {c.sent}" for c in counts.values())
        table.add_row(phase.what, after, *cells)
        for name, load in loads.items():
            for error in _errors(r.error for r in load.requests if phase.began <= r.start < end):
                out.print(f"  {phase.what}: {name}: {error}", markup=False, soft_wrap=True)
    title(out, "Requests that failed")
    out.print(table)
    out.print(f"\n[{'red' if broken else 'green'} bold]{broken} of them break what is promised[/]")
    return 1 if broken else 0


def unpromised(name: str, found: Count, phase: Phase) -> int:
    """Return how many of a load's failures should not have been.

    With masquerading a connection does not outlive its director: its real server knows it as one of
    that director's. All else is answered once the router has followed.
    """
    lost = KEPT if phase.followed and name == "masquerade, kept" else 0
    return max(0, found.late - lost)


def _errors(errors: Iterable[str]) -> list[str]:
    return sorted({error for error in errors if error})
