"""Recordings that nobody made: to test what judges and draws them, and to look at it without a lab.

All follow by chance within given seconds; a request fails when its instance can't answer it.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from pointlab.judge.truth import broken, cannot_follow, course, extended, lasting
from pointlab.watch.recording import (
    Endpoint,
    Fault,
    Load,
    Moment,
    Note,
    Recording,
    Request,
    Span,
    Task,
    View,
)

VIP = "11.225.36.193:80"
BEGAN = 1000.0
RUNNING = "TASK_RUNNING"
PATIENCE = 3.0
EVERY = 9.0
"""Seconds from one break to the next."""
LOOKS = {"kernel": 0.03, "srv": 0.1, "vip": 0.1}


class Simulation:
    """A cluster of chance."""

    def __init__(
        self,
        seed: int,
        *,
        seconds: float = 60.0,
        agents: int = 4,
        rate: float = 60.0,
        delay: float = 0.4,
    ) -> None:
        """``delay`` is the most that a view takes to follow, ``rate`` is of each of two loads."""
        self._chance = Random(seed)
        self._ended = BEGAN + seconds
        self._agents = [f"agent{n}" for n in range(1, agents + 1)]
        self._rate, self._delay = rate, delay
        self._moments: dict[str, list[Moment]] = {}
        self._agent: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._notes: list[Note] = []
        self._last = 0

    def recording(self, title: str = "A walk of chance") -> Recording:
        """Return one; once only."""
        for agent in self._agents[:3]:
            self._start(BEGAN - 20, agent)
        kinds: list[Callable[[float], None]] = [
            self._kill,
            self._pause,
            self._unplug,
            self._crash,
            self._blind,
        ]
        at, turn = BEGAN + 4, 0
        while at < self._ended - EVERY:
            kinds[turn % len(kinds)](at)
            at, turn = at + EVERY, turn + 1
        tasks = tuple(
            Task(id_, self._agent[id_], (self._endpoint(id_),), tuple(moments), checked=True)
            for id_, moments in self._moments.items()
        )
        bare = Recording(
            title,
            f"a master, {len(self._agents)} agents, a client",
            "web",
            VIP,
            BEGAN,
            self._ended,
            ("master", *self._agents),
            tasks,
            tuple(self._faults),
            tuple(self._notes),
            (),
            (),
        )
        views = tuple(self._view(bare, node, what) for node in bare.nodes for what in LOOKS)
        kernels = {view.node: view for view in views if view.what == "kernel"}
        loads = (
            self._load(bare, "web from client", "client", kernels["master"]),
            self._load(bare, "web from agent2", "agent2", kernels["agent2"]),
        )
        return msgspec.structs.replace(bare, loads=loads, views=views)

    def _endpoint(self, id_: str) -> Endpoint:
        agent = self._agents.index(self._agent[id_])
        return f"10.31.0.{11 + agent}", 31_000 + int(id_.partition(".")[2])

    def _start(self, at: float, agent: str) -> None:
        self._last += 1
        id_ = f"web.{self._last}"
        self._agent[id_] = agent
        self._moments[id_] = [
            Moment(at, "TASK_STARTING"),
            Moment(at + 0.4, RUNNING),
            Moment(at + 1.1, RUNNING, True),
        ]

    def _victim(self) -> str:
        fit = [id_ for id_, m in self._moments.items() if m[-1].state == RUNNING]
        return self._chance.choice(fit)

    def _kill(self, at: float, told: float = 0.15) -> None:
        """End an instance; Mesos knows after so many seconds, and another is started."""
        id_ = self._victim()
        self._faults.append(Fault(at, f"kill -9 {id_}", frozenset({id_}), until=at + told))
        self._moments[id_].append(Moment(at + told, "TASK_FAILED"))
        self._start(at + told + 0.6, self._chance.choice(self._agents))

    def _pause(self, at: float) -> None:
        id_ = self._victim()
        self._faults.append(Fault(at, f"pause {id_}", frozenset({id_}), until=at + 5))
        self._moments[id_] += [Moment(at + 2.3, RUNNING, False), Moment(at + 5.6, RUNNING, True)]

    def _unplug(self, at: float) -> None:
        agent = self._agent[self._victim()]
        self._faults.append(Fault(at, f"unplug {agent}", nodes=frozenset({agent}), until=at + 5))
        self._notes.append(Note(at + 1, "one waits until the master misses it"))
        for id_, moments in self._moments.items():
            if self._agent[id_] == agent and moments[-1].state == RUNNING:
                moments += [Moment(at + 2.2, "TASK_UNREACHABLE"), Moment(at + 6.1, RUNNING, True)]

    def _crash(self, at: float) -> None:
        node = self._chance.choice(["master", *self._agents])
        fault = Fault(at, f"kill -9 pointsman of {node}", programs=frozenset({node}), until=at + 3)
        self._faults.append(fault)
        self._kill(at + 1)

    def _blind(self, at: float) -> None:
        self._faults.append(Fault(at, "pause the master", blind=True, until=at + 4.5))
        self._kill(at + 1.5, told=3.5)

    def _view(self, bare: Recording, node: str, what: str) -> View:
        holes = cannot_follow(bare, node)
        silent = broken(bare, node, what) if what != "kernel" else []
        should = course(bare, node, what)
        steps = [BEGAN - 10, *(step for step in should.times if step > BEGAN - 10)]
        values: list[tuple[float, frozenset[Endpoint]]] = []
        for step in steps:
            at = step + self._chance.uniform(0.2, 1.0) * self._delay
            at = next((until + at - step for since, until in holes if since <= at < until), at)
            while values and values[-1][0] >= at:
                values.pop()
            values.append((at, should.at(step)))
        spans: list[Span] = []
        pause, looked = LOOKS[what], BEGAN + self._chance.uniform(0, 0.03)
        number = 0
        while looked < bare.ended:
            while number + 1 < len(values) and values[number + 1][0] <= looked:
                number += 1
            seen, status = values[number][1], ""
            if what == "vip":
                seen = frozenset({(VIP.partition(":")[0], 0)})
            if any(since <= looked < until + 0.3 for since, until in silent):
                seen, status = frozenset(), "refused"
            last = spans[-1] if spans else None
            if last and (last.endpoints, last.status) == (seen, status):
                spans[-1] = Span(last.first, looked, last.count + 1, seen, status)
            else:
                spans.append(Span(looked, looked, 1, seen, status))
            looked += pause
        return View(node, what, tuple(spans))

    def _load(self, bare: Recording, name: str, source: str, kernel: View) -> Load:
        owners = {e: task for task in bare.tasks for e in task.endpoints}
        when = extended(kernel.spans)
        requests, at, number = [], BEGAN + 0.5, 0
        while at < bare.ended - PATIENCE:
            while number + 1 < len(when) and when[number][1] <= at:
                number += 1
            one = self._chance.choice(sorted(kernel.spans[number].endpoints) or [("", 0)])
            requests.append(self._request(bare, at, owners.get(one), (kernel.node, source)))
            at += self._chance.expovariate(self._rate)
        ended = tuple(sorted(requests, key=lambda request: request.end))
        return Load(name, kernel.node, ended, source)

    def _request(
        self, bare: Recording, at: float, task: Task | None, path: Sequence[str]
    ) -> Request:
        if task is None:
            return Request(at, at + 0.001, "", "ConnectionRefusedError: no real server")
        through = {*path, task.agent}
        until = bisect_right(bare.faults, at, key=lambda f: f.at)
        begun = bare.faults[max(until - 3, 0) : until]  # no more than three last at a time
        now = [f for f in begun if at < lasting(f)[1]]
        if any(f.nodes & through or (task.id in f.tasks and "pause" in f.words) for f in now):
            return Request(at, at + PATIENCE, "", "TimeoutError: ")
        if any(task.id in f.tasks and "kill" in f.words for f in begun):
            error = "ConnectionRefusedError: [Errno 111] Connection refused"
            return Request(at, at + 0.001, "", error)
        took = self._chance.lognormvariate(-5.7, 0.5)
        host, port = task.endpoints[0]
        return Request(at, at + took, f"{task.id} on {host}:{port}")
