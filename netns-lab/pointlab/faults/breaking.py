"""Breaks what faults.py has found, and heals it.

Whatever is broken lies in the journal first, so that another command of the lab can heal it.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pointlab.faults import impairment
from pointlab.faults.faults import (
    KINDS,
    LEADERLESS,
    STARTING,
    TARGETS,
    Facts,
    can_lead,
    concern_leader,
    node_of,
    out,
    parse,
    to_heal,
)
from pointlab.faults.journal import Broken, Journal
from pointlab.site import network
from pointlab.site.lab import IN_LAB, ON_NODE, Lab
from pointlab.site.process import wait_for, with_variable
from pointlab.site.topology import Node
from pointlab.site.wiring import Batch
from pointlab.watch.recording import Fault

LINK = "pointsman0"
"""On which a Pointsman has its VIPs."""
CONNTRACK_MAX = Path("/proc/sys/net/netfilter/nf_conntrack_max")
CONNECTIONS = 8192
"""That a table is made to hold before it is filled, where the kernel is the lab's own."""
MOST = 1_000_000
"""Connections that a machine's memory is taken for, which has no kernel of the lab's own."""
NOBODY = "192.0.2.53"
"""An address that is nobody's: where the connections lead to of which a table is full."""
PATIENCE = 120.0
"""Seconds within which what was healed should be back."""


class Breaking:
    """Breaks and heals a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.journal = Journal(lab.folder)
        self._own_kernel = bool(os.environ.get("LAB_GUEST"))

    def facts(self, words: Sequence[str] = ("leader",)) -> Facts:
        """Look at what there is to break; who leads only if it matters for these words."""
        lab, lasting = self.lab, self.journal.lasting()
        leader = ""
        if concern_leader(words, lab.topology):
            elected = lab.cluster.elected(self._out(lasting))
            leader = next((host.name for host, leads in elected if leads), "")
        return Facts(
            topology=lab.topology,
            processes={name: lab.processes.alive(name) for name in lab.processes.names()},
            tasks=self._tasks(),
            leader=leader,
            lasting=lasting,
            own_kernel=self._own_kernel,
        )

    def do(self, words: Sequence[str]) -> Broken:
        """Break something.

        Raises LookupError or ValueError for words that mean nothing here, before anything is done.
        What comes of it and ends by itself is looked after by a thread, which this process ends
        after.
        """
        self._look_again()
        facts = self.facts(words)
        broken, *after = parse(words, facts, time.monotonic())
        self._supersede(broken.fault)
        for one in (broken, *after):
            self.journal.broke(one.fault, one.plain)
        plain = broken.plain.split()
        try:
            self._break(plain)
        except BaseException:
            for one in (broken, *after):
                self.journal.healed(one.fault, time.monotonic())
            with contextlib.suppress(subprocess.CalledProcessError):
                self._set_packets(plain)
            raise
        fault = broken.fault
        if fault.until is not None:
            # The time in which it is mended begins when all of it is broken.
            until = fault.until - fault.at + time.monotonic()
            self.journal.broke(msgspec.structs.replace(fault, until=until), broken.plain)
        for one in after:
            self._watch(one.fault, lambda: self._other_leads(facts.leader))
        if plain[0] == "restart":
            self._over(broken)
        return broken

    def undo(self, words: Sequence[str] = ()) -> tuple[Broken, ...]:
        """Heal what these words broke, or everything; return what was healed.

        Waits until processes run, and a master leads where none could. A Pointsman that starts
        is not waited for. Raises LookupError when nothing of it is broken.
        """
        self._look_again()
        healed = to_heal(words, self.journal.lasting())
        for broken in healed:
            self._heal(broken.plain.split(), broken)
            self._over(broken)
        return healed

    def _over(self, broken: Broken) -> None:
        """Say that something lasts no more, as soon as what comes of it is over too."""
        plain = broken.plain.split()
        control = out(plain, self.lab.topology) or plain[0] in ("partition", "deaf")
        rest = [b for b in self.journal.lasting() if b != broken]
        if control and can_lead(rest, self.lab.topology):
            wait_for(lambda: self._one_leads(rest), "a master that leads", PATIENCE)
            for other in rest:
                if other.fault.words == LEADERLESS:
                    self.journal.healed(other.fault, time.monotonic())
        now = time.monotonic()
        self.journal.healed(broken.fault, now)
        for node in self._starting(plain):
            words, programs = f"{STARTING}{node.name}", frozenset({node.name})
            fault = Fault(at=now, words=words, programs=programs)
            self.journal.broke(fault)
            self._watch(fault, lambda node=node: self.lab.ready(node))  # type: ignore[misc]

    def _supersede(self, fault: Fault) -> None:
        """End what a fault replaces: a Pointsman that is killed again starts no more."""
        for old in self.journal.lasting():
            node = old.fault.words.removeprefix(STARTING)
            if old.fault.words != node and node in fault.nodes | fault.programs:
                self.journal.healed(old.fault, fault.at)

    def _look_again(self) -> None:
        """End what has ended by itself since it was looked after for the last time."""
        for old in self.journal.lasting():
            words, node = old.fault.words, old.fault.words.removeprefix(STARTING)
            if (words == LEADERLESS and self._other_leads("")) or (
                words != node and self.lab.ready(self.lab.node(node))
            ):
                self.journal.healed(old.fault, time.monotonic())

    def _watch(self, fault: Fault, over: Callable[[], bool]) -> None:
        """Write down when something is over that ends by itself."""

        def watch() -> None:
            with contextlib.suppress(TimeoutError, OSError):
                wait_for(over, fault.words, PATIENCE)
                self.journal.healed(fault, time.monotonic())

        threading.Thread(target=watch).start()

    # Who leads.

    def _masters(self) -> list[str]:
        return [one.name for one in self.lab.topology.running("master")]

    def _out(self, lasting: Sequence[Broken]) -> set[str]:
        """Return the masters of which nothing is to be expected."""
        topology = self.lab.topology
        return {name for broken in lasting for name in out(broken.plain.split(), topology)}

    def _other_leads(self, old: str) -> bool:
        gone = self._out(self.journal.lasting())
        return any(leads and host.name != old for host, leads in self.lab.cluster.elected(gone))

    def _one_leads(self, lasting: Sequence[Broken]) -> bool:
        """Start the masters that ended by themselves; tell whether all answer and one leads.

        A master that leads ends when it loses ZooKeeper, and counts on being started again.
        """
        gone = self._out(lasting)
        whole = [name for name in self._masters() if name not in gone]
        for name in whole:
            self._start(name)
        leads = [leads for _, leads in self.lab.cluster.elected(gone)]
        return len(leads) == len(whole) and leads.count(True) == 1

    # Each kind.

    def _break(self, plain: Sequence[str]) -> None:
        match plain:
            case ["kill", name]:
                self._end(name, signal.SIGKILL)
            case ["stop", name]:
                self._end(name, signal.SIGTERM)
            case ["restart", name]:
                self._end(name, signal.SIGTERM)
                self._start(name)
            case ["pause", name]:
                self._send(name, signal.SIGSTOP)
            case ["crash", node]:
                self.lab.crash(self.lab.node(node))
            case ["clock", seconds]:
                _step_clock(float(seconds))
            case ["disk-full", node]:
                _fill(self._state(node) / "full")
            case ["conntrack-full", node]:
                self._fill_conntrack(node)
            case ["clear", node]:
                self._on(node, "ipvsadm -C")
            case ["wipe", node]:
                self._on(
                    node,
                    f"ip addr flush dev {LINK}",
                    *(f"ip -{v} route flush table all dev {LINK}" for v in (4, 6)),
                )
            case _:
                self._set_packets(plain)

    def _heal(self, plain: Sequence[str], broken: Broken) -> None:
        match plain:
            case ["kill" | "stop", name]:
                if name in self.lab.processes.names():
                    self._start(name)
            case ["pause", name]:
                self._send(name, signal.SIGCONT)
            case ["crash", node]:
                self.lab.boot(self.lab.node(node))
                self._set_packets(plain, broken)
            case ["disk-full", node]:
                (self._state(node) / "full").unlink(missing_ok=True)
            case ["conntrack-full", node]:
                self._empty_conntrack(node, broken)
            case _:
                self._set_packets(plain, broken)

    def _starting(self, plain: Sequence[str]) -> list[Node]:
        """Return the nodes whose Pointsman starts when this is over."""
        match plain:
            case ["kill" | "stop" | "restart", name] if name.startswith("pointsman-"):
                return [self.lab.node(node_of(name, self.lab.topology))]
            case ["crash", node]:
                return [one for one in self.lab.topology.running("pointsman") if one.name == node]
        return []

    # Processes and tasks.

    def _tasks(self) -> dict[str, str]:
        """Return the nodes of the tasks that have a process."""
        found = {}
        for pid in with_variable(IN_LAB, self.lab.name):
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
                variables = dict(line.split("=", 1) for line in lines if "=" in line)
                if "TASK" in variables:
                    node = variables.get(ON_NODE, "").rpartition("/")[2]
                    found[variables["TASK"]] = node
        return found

    def _pids(self, task: str) -> set[int]:
        return {*with_variable("TASK", task)} & {*with_variable(IN_LAB, self.lab.name)}

    def _end(self, name: str, number: int) -> None:
        if name in self.lab.processes.names():
            self.lab.processes.stop(name, number)
            return
        self._send(name, number)
        if number == signal.SIGKILL:
            wait_for(lambda: not self._pids(name), f"the end of {name}", PATIENCE)

    def _send(self, name: str, number: int) -> None:
        if name in self.lab.processes.names():
            self.lab.processes.send(name, number)
            return
        for pid in self._pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _start(self, name: str) -> None:
        """Start a process, if its node is there: one that boots starts all of its own."""
        node = self.lab.node(node_of(name, self.lab.topology))
        if not self._is_up(node.name):
            return
        if name.startswith("pointsman-"):
            self.lab.start_pointsman(node)
        else:
            self.lab.cluster.start(name)
        wait_for(lambda: self.lab.processes.alive(name), name, PATIENCE)

    # The network.

    def _is_up(self, node: str) -> bool:
        return Path("/run/netns", self.lab.netns(node)).exists()

    def _set_packets(self, plain: Sequence[str], healed: Broken | None = None) -> None:
        """Set the nodes that something concerns to what lasts, but what is healed now."""
        lasting = [b.plain.split() for b in self.journal.lasting() if b != healed]
        nodes = plain[1:] if plain[0] == "crash" else impairment.concerned(plain)
        for one in impairment.settings(self.lab.topology, filter(self._is_up, nodes), lasting):
            where = self.lab.netns(one.node)
            if one.ip:
                network.ip(where, one.ip)
            tc = ["tc", "-netns", where, "-batch", "-"]
            subprocess.run(tc, input="\n".join(one.tc), text=True, check=True)

    def _on(self, node: str, *lines: str) -> None:
        """Run lines of a shell on a node."""
        network.do([Batch(node, sh=lines)], self.lab.netns(""))

    # What is filled.

    def _state(self, node: str) -> Path:
        """Return the disk of a node's Pointsman; raises OSError if it is none of its own."""
        folder = self.lab.folder / f"pointsman-{node}" / "state"
        if not folder.is_mount():
            raise FileNotFoundError(f"{folder} is no disk of its own")
        return folder

    @property
    def _conntrack_max(self) -> Path:
        """Where it is kept what the kernel's tables held before."""
        return self.lab.folder / "conntrack-max"

    def _fill_conntrack(self, node: str) -> None:
        if self._own_kernel and not self._conntrack_max.exists():
            self._conntrack_max.write_text(CONNTRACK_MAX.read_text())
            CONNTRACK_MAX.write_text(str(CONNECTIONS))
        limit = int(CONNTRACK_MAX.read_text())
        if limit > MOST:
            raise OSError(f"{CONNTRACK_MAX} is {limit}: so many would take too much memory")
        file = self.lab.folder / f"conntrack-{node}"
        file.write_text("".join(_connection(number) for number in range(limit)))
        try:
            # It ends at the first that finds no place.
            self.lab.output(f"conntrack -R {file}", node)
        finally:
            file.unlink()
        count = self.lab.output("conntrack -C", node)
        if int(count) < limit * 0.99:
            raise OSError(f"the table of {node} has only {count.strip()} of {limit} connections")

    def _empty_conntrack(self, node: str, broken: Broken) -> None:
        if self._is_up(node):
            self.lab.output(f"conntrack -D -d {NOBODY}", node)
        kept = self._conntrack_max
        others = [b for b in self.journal.lasting() if b != broken]
        if kept.exists() and not any(b.plain.startswith("conntrack-full") for b in others):
            CONNTRACK_MAX.write_text(kept.read_text())
            kept.unlink()


def _connection(number: int) -> str:
    """Return the line of `conntrack -R` for one of many connections, which no other pushes out."""
    source = f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return (
        f"-A -s {source} -d {NOBODY} -p udp --sport 1000 --dport 53 -r {NOBODY} -q {source} "
        "--reply-port-src 53 --reply-port-dst 1000 -t 86400 -u SEEN_REPLY,ASSURED\n"
    )


def _fill(file: Path) -> None:
    """Write a file until there is no more room."""
    block = bytes(1 << 16)
    with file.open("wb", buffering=0) as to, contextlib.suppress(OSError):
        while to.write(block):
            pass


def _step_clock(seconds: float) -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


def table() -> str:
    """Return what can be broken, for those who ask."""
    width = max(len(kind.usage) for kind in KINDS.values())
    lines = [f"{kind.usage:{width}}  {kind.about}" for kind in KINDS.values()]
    return "\n".join([*lines, "", TARGETS])


def command(lab: Lab, words: Sequence[str], *, heal: bool = False) -> None:
    """Break or heal something and print what; for a command line."""
    breaking = Breaking(lab)
    for broken in breaking.undo(words) if heal else (breaking.do(words),):
        found = f" ({broken.plain})" if broken.plain != broken.fault.words else ""
        print(f"{'healed' if heal else 'broken'}: {broken.fault.words}{found}", flush=True)
    for broken in breaking.journal.lasting():
        if not broken.plain:
            print(f"until that ends: {broken.fault.words}", flush=True)
