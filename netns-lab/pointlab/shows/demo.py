"""The demonstration: a failover from beginning to end, shown as it happens."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointlab.judge.tally import Event, tally
from pointlab.site import apps, topology
from pointlab.site.lab import Lab
from pointlab.site.process import wait_for, with_variable
from pointlab.watch import record
from pointlab.watch.load import Load
from pointlab.watch.record import Recorder, State
from pointlab.watch.recording import Request

VIP = "web.marathon.l4lb.thisdcos.directory"
SERVICE = "_web._tcp.marathon.mesos"
INSTANCES = 3
TAIL = 20
"""Lines that are shown of what has ended."""
STEADY = 3.0
"""Seconds of load before and after what happens."""


def console() -> Console:
    """Return a console that colours for people only."""
    person = os.environ.get("LAB_TTY", "1") == "1"
    return Console(
        force_terminal=None if person else False,
        no_color=not person,
        width=int(os.environ.get("COLUMNS", "100")),
        highlight=False,
    )


def run() -> int:
    """Show it all; return 0 when no request failed that started after the kernel followed."""
    out = console()
    lab = Lab("demo", topology.load("small"))
    try:
        bring_up(lab, out)
        return _show(lab, out)
    finally:
        lab.stop()


def bring_up(lab: Lab, out: Console, start: Callable[[], None] | None = None) -> None:
    """Start a lab and its app, saying what is done; ``start`` starts the app's instances."""
    started = time.monotonic()

    def done(what: str) -> None:
        out.print(f"[green]✓[/] {what} [dim]{time.monotonic() - started:5.1f} s", soft_wrap=True)

    title(out, "A cluster in a box")
    try:
        lab.start()
        nodes = lab.topology.nodes.values()
        done(f"network: {', '.join(f'{n.name} {n.address}' for n in nodes)}")
        lab.cluster.wait()
        done("Apache Mesos 1.11.0: a master, three agents, the framework marathon")
        if start:
            start()
        else:
            lab.cluster.keep("web", INSTANCES, **apps.web(lab.topology, "web"))
        wait_for(lambda: len(lab.cluster.running()) == INSTANCES, "the app's instances")
        done(f"app web: {INSTANCES} instances, with the label VIP_0=/web:80")
        lab.wait()
        done("Pointsman on the master and on each agent: ready")
    except BaseException:
        show_ended(lab, out)
        lab.stop()
        raise


def show_ended(lab: Lab, out: Console) -> None:
    """Show the last words of what should run and does not."""
    for name in lab.processes.names():
        if not lab.processes.alive(name):
            tail = lab.processes.log(name).read_text(errors="replace").splitlines()[-TAIL:]
            out.print(Text(f"{name} has ended:", style="red"))
            out.print(*tail, sep="\n", markup=False)


def _show(lab: Lab, out: Console) -> int:
    vip = wait_for(lambda: lab.output(f"dig +short {VIP}", "client").strip(), "the VIP's name", 20)
    director = lab.processes.pid("pointsman-master")
    in_kernel = Recorder(record.kernel(director, vip, 80), 0.01)
    in_dns = Recorder(record.dns(lab.netns("client"), lab.node("master").address, SERVICE), 0.02)

    def has_all(state: State) -> bool:
        return len(state) == INSTANCES

    wait_for(lambda: has_all(in_kernel.state) and has_all(in_dns.state), "all instances", 20)

    title(out, "Names, from the client (which has no Pointsman of its own)")
    _run(lab, out, "client", "dig +noall +answer web.marathon.mesos")
    _run(lab, out, "client", f"dig +noall +answer -t SRV {SERVICE}")
    _run(lab, out, "client", "dig +tcp +short leader.mesos")
    title(out, "The VIP, by name and by address")
    for _ in range(INSTANCES):
        _run(lab, out, "client", f"curl -s http://{VIP}")
    _run(lab, out, "client", f"curl -s http://{vip}")
    _run(lab, out, "agent2", f"curl -s http://{VIP}")
    _run(lab, out, "master", "ipvsadm -Ln")

    title(out, "Requests flow, and an instance dies")
    load = Load(lab.netns("client"), f"{vip}:80")
    load.start()
    time.sleep(STEADY)
    events = _kill(lab, out, load, in_kernel, in_dns)
    time.sleep(STEADY)
    load.stop()
    in_kernel.stop()
    in_dns.stop()
    return _report(out, load.requests, events)


def _kill(
    lab: Lab, out: Console, load: Load, in_kernel: Recorder, in_dns: Recorder
) -> tuple[Event, Event]:
    """Kill an instance and wait until it is replaced everywhere."""
    victim, task = min(lab.cluster.running("web").items())
    endpoint = (task["agent"], task["ports"][0])
    before_kernel, before_dns = in_kernel.state, in_dns.state
    answers = Counter(r.server for r in load.requests)
    for server, count in sorted(answers.items()):
        out.print(f"  {count:4} answers by {server}")
    (pid,) = with_variable("TASK", victim)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    out.print(f"[red]✗[/] kill -9 {pid}: {victim} on {task['agent']}:{task['ports'][0]}")

    def follow(recorder: Recorder, condition: Callable[[State], bool], what: str) -> float:
        at = wait_for(lambda: recorder.since(killed, condition), what, 30)
        out.print(f"[green]✓[/] {what} [dim]{at - killed:6.3f} s after the kill")
        return at

    kernel_gone = follow(in_kernel, lambda s: endpoint not in s, "the kernel has let it go")
    dns_gone = follow(in_dns, lambda s: bool(before_dns - s), "DNS has let it go")
    new = wait_for(lambda: _newcomer(lab, before_kernel), "a new instance", 30)
    runs = float(new["since"])
    where = (new["agent"], new["ports"][0])
    out.print(
        f"[green]✓[/] the framework has started another on {where[0]}:{where[1]} "
        f"[dim]{runs - killed:6.3f} s after the kill"
    )
    kernel_back = follow(in_kernel, lambda s: where in s, "the kernel has the new one")
    dns_back = follow(in_dns, lambda s: len(s - before_dns) > 0, "DNS has the new one")
    return (
        Event("instance killed", killed, dns_gone, kernel_gone, breaks=True),
        Event("new instance runs", runs, dns_back, kernel_back),
    )


def _newcomer(lab: Lab, before: State) -> dict[str, Any]:
    """Return an instance that was not there before, {} while there is none."""
    found = (
        t for t in lab.cluster.running("web").values() if (t["agent"], t["ports"][0]) not in before
    )
    return next(found, {})


def _report(out: Console, requests: list[Request], events: Sequence[Event]) -> int:
    """Print the table; return 0 when nothing failed without excuse."""
    title(out, "What it came to")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("\nevent", no_wrap=True)
    for column in (
        "DNS\nfollows",
        "kernel\nfollows",
        "requests\nsent",
        "requests\nfailed",
        "failed after the\nkernel followed",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    rows = tally(requests, events)
    for row in rows:
        event = row.event
        table.add_row(
            event.what if event else "before",
            f"{event.dns - event.at:.3f} s" if event else "",
            f"{event.kernel - event.at:.3f} s" if event else "",
            str(row.sent),
            str(row.failed),
            Text(str(row.late), style="red bold" if row.late else "green bold"),
        )
    out.print(table)
    late = sum(row.late for row in rows)
    out.print(
        f"\n{len(requests)} requests, {sum(row.failed for row in rows)} failed; "
        f"[{'red' if late else 'green'} bold]{late} of those started after the kernel followed[/]"
    )
    for error, count in Counter(r.error for r in requests if r.error).most_common():
        out.print(f"  {count:4} {error}", markup=False)
    return 1 if late else 0


def title(out: Console, text: str) -> None:
    """Print a headline."""
    out.print(f"\n[bold]{text}[/]")


def _run(lab: Lab, out: Console, node: str, command: str) -> None:
    """Run a command on a node and show both."""
    out.print(f"[cyan]{node}$[/] {command}", soft_wrap=True)
    for line in lab.output(command, node).splitlines():
        out.print(Text(f"  {line}"), soft_wrap=True)
