"""Does the steps of scenarios on a running lab, and keeps what is seen meanwhile."""

import subprocess
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any

from pointlab.faults.breaking import Breaking
from pointlab.scenario.script import (
    Break,
    Expect,
    Heal,
    Health,
    Kill,
    Roll,
    Run,
    Scale,
    Sleep,
    Step,
    Stop,
    Watch,
)
from pointlab.site import apps, bgp, peers
from pointlab.site.lab import Lab
from pointlab.site.process import wait_for
from pointlab.watch import cast, eyes
from pointlab.watch.eyes import Eyes
from pointlab.watch.recording import Note, Recording, endpoint
from pointlab.watch.watching import LoadSpec, Watching

KERNEL, DNS = 0.05, 0.2
"""Seconds between two looks at a kernel's table, and at a name: guests are slow."""
NOTED = Run | Scale | Kill | Health | Roll | Stop
"""What is told of among what happened; of faults the journal tells itself."""
NAMED = 30.0
"""Seconds for the name of an app's VIP."""
STARTS = 30.0
"""Seconds for an instance to start and to be healthy."""
ENDS = 90.0
"""Seconds for an instance to end."""


FAILURES = (OSError, LookupError, ValueError, HTTPException, subprocess.SubprocessError)
"""What a lab that is broken, or a step that means nothing there, may raise."""


class StepError(Exception):
    """A step could not be done, or what it expects was not so; the text says what was."""


class Stage:
    """A lab on which steps are done, one after another."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._watched: dict[str, Watching] = {}
        self._peers: dict[str, Watching] = {}
        self.breaking = Breaking(lab)
        self.journal = self.breaking.journal
        self.eyes = Eyes(lab, self.journal.faults)

    def do(self, step: Step) -> None:
        """Do a step; raises StepError."""
        if isinstance(step.verb, NOTED):
            self.journal.note(Note(time.monotonic(), str(step)))
        try:
            self._do(step)
        except FAILURES as error:
            raise StepError(f"{step}: {error}") from error

    def recordings(self, title: str) -> tuple[Recording, ...]:
        """Return what was seen until now of each app that is watched.

        Raises OSError when the framework does not tell of its tasks.
        """
        return self._recordings(title, self._watched)

    def of_peers(self, title: str) -> tuple[Recording, ...]:
        """Return the same as the peers had it, where the topology has them."""
        return self._recordings(title, self._peers)

    def _recordings(self, title: str, watched: Mapping[str, Watching]) -> tuple[Recording, ...]:
        faults, notes, there = self.journal.faults(), self.journal.notes(), self.lab.topology
        return tuple(
            watching.recording(
                title, there.name, self.eyes.tasks(app), faults, notes, there.zones()
            )
            for app, watching in watched.items()
        )

    def stop(self) -> None:
        """End the loads and look no more."""
        for watching in (*self._watched.values(), *self._peers.values()):
            watching.stop()

    def _do(self, step: Step) -> None:
        match step.verb:
            case Run():
                self._run(step.verb)
            case Scale(app, instances):
                self._keep(app, instances=instances)
            case Kill(task):
                self.lab.cluster.kill(self._one(task))
            case Health(task, healthy):
                self.lab.cluster.health(self._one(task), healthy)
            case Roll(app, only):
                self._roll(app, only)
            case Stop(app):
                self._keep(app, instances=0)
            case Break(words):
                self.breaking.do(words)
            case Heal(words):
                self.breaking.undo(words)
            case Watch():
                self.watch(step.verb)
            case Sleep(seconds):
                time.sleep(seconds)
            case Expect():
                self._expect(step.verb)

    def _run(self, verb: Run) -> None:
        spec = apps.web(
            self.lab.topology,
            verb.app,
            check=verb.check,
            grace=verb.grace,
            port=verb.port,
            network=verb.network,
            host_port=verb.host_port,
        )
        if verb.slow:
            spec["cmd"] = f"sleep {verb.slow:g}; {spec['cmd']}"
        self.lab.cluster.keep(verb.app, verb.instances, **spec)

    def _keep(self, app: str, **change: Any) -> None:
        told = self.lab.cluster.ask("/apps")
        if app not in told:
            raise LookupError(f"no app {app!r}; there are {', '.join(told) or 'none'}")
        self.lab.cluster.ask(f"/apps/{app}", "PUT", change)

    def _roll(self, app: str, only: int) -> None:
        old = sorted(cast.serving(self.eyes.tasks(app)), key=lambda one: (len(one.id), one.id))
        number = len(old)
        known = {task.id for task in self.eyes.tasks(app)}

        def newcomers() -> list[str]:
            return [t.id for t in cast.serving(self.eyes.tasks(app)) if t.id not in known]

        for victim in old[: only or None]:
            self._keep(app, instances=number + 1)
            known |= {*wait_for(newcomers, f"an instance in place of {victim.id}", STARTS)}
            self._keep(app, instances=number, end=victim.id)
            wait_for(lambda id_=victim.id: self._ended(id_), f"the end of {victim.id}", ENDS)  # type: ignore[misc]

    def _ended(self, id_: str) -> bool:
        (task,) = cast.named(self.eyes.tasks(cast.app_of(id_)), id_)
        return task.moments[-1].state not in ("TASK_RUNNING", "TASK_KILLING")

    def _one(self, target: str) -> str:
        """Return the id of the task that a word means; one that serves goes first."""
        named = cast.named(self.eyes.tasks(cast.app_of(target)), target)
        return (cast.serving(named) or named)[0].id

    def watch(self, verb: Watch) -> None:
        """Begin to ask an app and to look at all nodes."""
        if verb.app in self._watched:
            raise ValueError(f"{verb.app} is watched already")
        vip = wait_for(lambda: self.eyes.vip(verb.app), f"the VIP of {verb.app}", NAMED)
        nodes = {
            one.name: (self.lab.netns(one.name), one.address)
            for one in self.lab.topology.running("pointsman")
        }
        names = eyes.srv_name(self.lab.topology, verb.app), eyes.vip_name(verb.app)
        watching = Watching(
            verb.app, vip, nodes, self._loads(verb, vip), *names, kernel=KERNEL, dns=DNS
        )
        if peers.present(self.lab.topology):
            self._watch_peers(verb)
        watching.start()
        self._watched[verb.app] = watching

    def _watch_peers(self, verb: Watch) -> None:
        serving = cast.serving(self.eyes.tasks(verb.app))
        all_ = frozenset(one for task in serving for one in task.endpoints)
        port = endpoint(self.eyes.vip(verb.app))[1]
        wait_for(lambda: peers.have(self.lab, verb.app, all_, port), "the peers having all", NAMED)
        beside = peers.watched(self.lab, verb.app, port, rate=verb.rate, kernel=KERNEL, dns=DNS)
        beside.start()
        self._peers[verb.app] = beside

    def _loads(self, verb: Watch, vip: str) -> list[LoadSpec]:
        topology = self.lab.topology
        nodes = topology.nodes.values()
        clients = tuple(one.name for one in nodes if one.vips not in ("", one.name))
        found = []
        for source in verb.sources or clients:
            one = self.lab.node(source)
            director = one.vips or source
            if "router" in topology.node(director).runs:
                director = bgp.active(self.lab, endpoint(vip)[0])
            if "pointsman" not in topology.node(director or source).runs:
                raise LookupError(f"{source} has no way to VIPs")
            where = self.lab.netns(source), source, director, vip
            found.append(LoadSpec(f"{verb.app} from {source}", *where, verb.rate))
            if verb.keep:
                found.append(
                    LoadSpec(f"{verb.app} from {source}, kept", *where, verb.rate, keep=True)
                )
            if verb.long:
                found.append(
                    LoadSpec(f"{verb.app} from {source}, long", *where, verb.rate, long=verb.long)
                )
        return found

    def _expect(self, verb: Expect) -> None:
        match verb.what:
            case "unchanged":
                problem = self.eyes.unchanged(verb.number)
            case "reachable":
                problem = self.eyes.reachable(verb.subject, verb.within)
            case "failed":
                problem = self._failed(int(verb.number))
            case _:
                problem = self._wait(verb)
        if problem:
            raise ValueError(problem)

    def _wait(self, verb: Expect) -> str:
        conditions: dict[str, Callable[[], str]] = {
            "instances": lambda: self.eyes.instances(verb.subject, int(verb.number)),
            "gone": lambda: self.eyes.gone(verb.subject),
            "there": lambda: self.eyes.there(verb.subject),
            "leader": self.eyes.leader,
            "agreement": self.eyes.agreement,
        }
        until = time.monotonic() + verb.within
        while problem := _told(conditions[verb.what]):
            if time.monotonic() >= until:
                return f"after {verb.within:g} s {problem}"
            time.sleep(eyes.PAUSE)
        return ""

    def _failed(self, most: int) -> str:
        loads = [load for one in self.recordings("") for load in one.loads]
        failed = [r for load in loads for r in load.requests if r.error]
        if len(failed) <= most:
            return ""
        return f"{len(failed)} requests have failed, the first with {failed[0].error}"


def _told(condition: Callable[[], str]) -> str:
    """Tell what a condition says; one that can't be looked at does not hold."""
    try:
        return condition()
    except FAILURES as error:
        return str(error)
