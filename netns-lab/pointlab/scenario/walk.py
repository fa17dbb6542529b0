"""A random walk: scenarios made by chance, one after another, each a chapter that can be repeated.

Pure: the same seed and topology make the same chapters.
"""

import random
from collections.abc import Iterator

import msgspec

from pointlab.scenario import script
from pointlab.scenario.script import Scenario, Step
from pointlab.site.topology import Node, Topology

APP = "web"
MOVES = 8
"""In a chapter, beside what heals."""
MOST = 3
"""Faults at the same time."""
CLOCK = "clock"
"""Stands for what is of no node."""


class Fault(msgspec.Struct, frozen=True):
    """A fault that may be next."""

    words: str
    touched: frozenset[str]
    """The nodes that it concerns: two faults at a time have none in common."""
    away: bool = False
    """Whether an agent's tasks can't be counted on while it lasts."""
    control: bool = False
    """Whether masters or ZooKeeper can't do their part."""
    alone: bool = False
    """Whether nobody can know what becomes of tasks: nothing else may be broken then."""
    over: bool = False
    """Whether it is over by itself."""


class Now(msgspec.Struct, frozen=True):
    """Where a chapter is."""

    broken: tuple[Fault, ...] = ()
    instances: int = 3


def chapters(seed: int, topology: Topology) -> Iterator[Scenario]:
    """Yield scenarios for ever."""
    number = 0
    while True:
        number += 1
        yield chapter(seed, number, topology)


def chapter(seed: int, number: int, topology: Topology) -> Scenario:
    """Return one of them."""
    rng = random.Random(f"{seed}/{number}")
    check = ' --check "http /"' if rng.random() < 0.5 else ""
    agent = rng.choice(topology.running("agent")).name
    sources = [one.name for one in topology.nodes.values() if one.vips]
    if "pointsman" in topology.node(agent).runs:
        sources.append(agent)
    lines = [
        f"run {APP}{check}",
        f"expect {APP} 3 within 60",
        f"watch {APP} {' '.join(f'--from {source}' for source in sources)}",
    ]
    now = Now()
    for _ in range(MOVES):
        line, now = move(rng, topology, now)
        lines += [line, f"sleep {rng.uniform(1, 6):.1f}"]
    return Scenario(
        name=f"walk-{seed}-{number}",
        about=f"Chapter {number} of the walk of seed {seed}.",
        topology=topology.name,
        steps=tuple(_step(line, at) for at, line in enumerate(lines, 3)),
    )


def written(scenario: Scenario) -> str:
    """Return the file of a scenario."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in scenario.about.splitlines())
    steps = "".join(f"{step}\n" for step in scenario.steps)
    return f"{head}topology {scenario.topology}\n{steps}"


def move(rng: random.Random, topology: Topology, now: Now) -> tuple[str, Now]:
    """Return the next step, and where the chapter is then."""
    chance = rng.random()
    if now.broken and (chance < 0.35 or len(now.broken) >= MOST):
        healed = rng.choice(now.broken)
        rest = tuple(fault for fault in now.broken if fault is not healed)
        return f"heal {healed.words}", msgspec.structs.replace(now, broken=rest)
    possible = [fault for fault in faults(rng, topology) if fits(fault, now, topology)]
    if possible and chance < 0.85:
        fault = rng.choice(possible)
        kept = now.broken if fault.over else (*now.broken, fault)
        return f"break {fault.words}", msgspec.structs.replace(now, broken=kept)
    if chance < 0.93 or now.broken:
        number = rng.choice([n for n in range(2, 7) if n != now.instances])
        return f"scale {APP} {number}", msgspec.structs.replace(now, instances=number)
    return f"roll {APP} --only 1", now


def fits(fault: Fault, now: Now, topology: Topology) -> bool:
    """Tell whether a fault may come on top of what is broken.

    Each node has one fault at a time, an agent of several is away, a minority of the masters is
    out, and where nobody can know of tasks nothing else is broken.
    """
    if any(fault.touched & other.touched or other.alone for other in now.broken):
        return False
    if now.broken and fault.alone:
        return False
    if fault.away and (
        any(other.away for other in now.broken) or len(topology.running("agent")) < 2
    ):
        return False
    return not (fault.control and any(other.control for other in now.broken))


def faults(rng: random.Random, topology: Topology) -> list[Fault]:
    """Return all that might be broken, of each kind one for each target."""
    # Not back and then ahead again: that stops all timers of Mesos 1.11 for as long.
    found = [Fault(f"clock {rng.choice((60, 3600, 86_400))}", frozenset({CLOCK}), over=True)]
    for one in topology.nodes.values():
        if "agent" in one.runs and "framework" not in one.runs:
            found += _of_agent(rng, one)
        if "pointsman" in one.runs:
            found += _of_pointsman(one)
    masters = frozenset(one.name for one in topology.running("master"))
    lonely = len(masters) == 1
    for name in ("leader",) if lonely else ("leader", *sorted(masters)):
        touched = masters if name == "leader" else frozenset({name})
        found += [
            Fault(f"{kind} {name}", touched, control=True, alone=lonely)
            for kind in ("kill", "stop", "pause")
        ]
    for one in topology.running("zookeeper"):
        touched = frozenset({one.name})
        found += [
            Fault(f"{kind} zookeeper", touched, control=True, alone=True)
            for kind in ("kill", "pause")
        ]
    return found


def _of_agent(rng: random.Random, one: Node) -> Iterator[Fault]:
    def fault(words: str, *, away: bool) -> Fault:
        return Fault(words, frozenset({one.name}), away=away)

    lost = ("crash {}", "black-hole {}", "partition {} others", "deaf {} others")
    for words in (*lost, "kill {}", "pause {}", f"pause {APP}@{{}}"):
        yield fault(words.format(one.name), away=True)
    for words in (f"kill {APP}@{{}}", f"stop {APP}@{{}}"):
        yield fault(words.format(one.name), away=False)
    yield fault(f"delay {one.name} {rng.randint(5, 100)}", away=False)
    yield fault(f"loss {one.name} {rng.randint(1, 10)}", away=False)
    yield fault(f"duplicate {one.name} {rng.randint(1, 30)}", away=False)


def _of_pointsman(one: Node) -> Iterator[Fault]:
    touched = frozenset({one.name})
    for kind in ("kill", "stop", "pause"):
        yield Fault(f"{kind} pointsman-{one.name}", touched)
    yield Fault(f"restart pointsman-{one.name}", touched, over=True)
    yield Fault(f"disk-full {one.name}", touched)
    for kind in ("clear", "wipe"):
        yield Fault(f"{kind} {one.name}", touched, over=True)


def _step(line: str, at: int) -> Step:
    return Step(line, script.step(script.words(line)).verb, at)
