"""What can be broken in a lab, and what may fail of it: pure, from words to values.

``breaking.py`` does it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pointlab.faults.journal import Broken
from pointlab.site.configured import CHECK_INTERVAL
from pointlab.site.topology import Topology
from pointlab.watch.recording import Fault

SLOW = 500.0
"""Milliseconds of delay from which on requests may time out."""
YEAR = 366 * 86_400.0
MENDING = 5.0
"""Seconds that a Pointsman takes to look at all and to mend it, in a guest with much to do."""
ENDING = 20.0
"""Seconds that a server takes at most, which was asked to end and is not pressed for it."""
LEADERLESS = "no master leads"
"""Words of the fault that comes of others and ends when a master leads again."""
STARTING = "Pointsman starts on "
"""Of the one that comes after others: until the Pointsman of that node is ready."""
_POINTSMAN = "pointsman-"
_NOBODY: frozenset[str] = frozenset()


class Facts(msgspec.Struct, frozen=True):
    """What there is in a lab that can be broken."""

    topology: Topology
    processes: Mapping[str, bool]
    """Whether each runs, by the names that ``lab status`` shows."""
    tasks: Mapping[str, str] = {}
    """The node of each task that has a process."""
    leader: str = ""
    """The leading master; "" while none leads."""
    lasting: tuple[Broken, ...] = ()
    """What is broken already."""
    own_kernel: bool = True
    """Whether the kernel is the lab's own, with its clock."""


class Effect(msgspec.Struct, frozen=True):
    """What is broken, its targets found, and what can't work meanwhile as in ``Fault``."""

    targets: tuple[str, ...]
    tasks: frozenset[str] = _NOBODY
    nodes: frozenset[str] = _NOBODY
    programs: frozenset[str] = _NOBODY
    ended: frozenset[str] = _NOBODY
    takes: float = 0.0
    lasts: float | None = None
    """Seconds after which it is over by itself; None where it has to be healed."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of fault."""

    usage: str
    """Its words, as in ``delay NODE MS [JITTER]``."""
    about: str
    """One line: what is done, and what heals it."""
    read: Callable[[Sequence[str], Facts], Effect]
    """Finds its targets; raises LookupError or ValueError."""


def parse(words: Sequence[str], facts: Facts, at: float) -> tuple[Broken, ...]:
    """Return what is to be broken, and after it what comes of that and ends by itself.

    Raises LookupError or ValueError, which say what there is instead.
    """
    name, *rest = words or ("",)
    if name not in KINDS:
        raise LookupError(f"no kind of fault {name!r}; there are {', '.join(KINDS)}")
    kind = KINDS[name]
    needed = kind.usage.split()[1:]
    if not len([w for w in needed if w[0] != "["]) <= len(rest) <= len(needed):
        raise ValueError(f"{' '.join(words)}: say {kind.usage}")
    effect = kind.read(rest, facts)
    plain = (name, *effect.targets)
    _refuse_again(plain, facts)
    blind, leaderless = _sees(plain, facts)
    fault = Fault(
        at=at,
        words=" ".join(words),
        tasks=effect.tasks,
        nodes=effect.nodes,
        programs=effect.programs,
        ended=effect.ended,
        takes=effect.takes,
        blind=blind,
        until=None if effect.lasts is None else at + effect.lasts,
    )
    broken = Broken(fault, " ".join(plain))
    if not leaderless:
        return (broken,)
    return broken, Broken(Fault(at=at, words=LEADERLESS, blind=True))


def to_heal(words: Sequence[str], lasting: Sequence[Broken]) -> tuple[Broken, ...]:
    """Return what these words heal, the last that was broken first; all without words.

    Raises LookupError when none of it is broken.
    """
    healable = [broken for broken in reversed(lasting) if broken.plain]
    if not words:
        return tuple(healable)
    said = " ".join(words)
    for broken in healable:
        if said in (broken.fault.words, broken.plain):
            return (broken,)
    there = "; ".join(broken.fault.words for broken in healable) or "nothing"
    raise LookupError(f"{said!r} is not broken; broken is: {there}")


def concern_leader(words: Sequence[str], topology: Topology) -> bool:
    """Tell whether it matters for these words which master leads."""
    control = {*_masters(topology), "zookeeper", "leader", "others"}
    control |= {one.name for one in topology.running("zookeeper")}
    return not control.isdisjoint(name for word in words for name in word.split(","))


def node_of(process: str, topology: Topology) -> str:
    """Return the node on which a process runs."""
    if process in ("zookeeper", "framework"):
        return topology.running(process)[0].name  # type: ignore[arg-type]
    return process.removeprefix(_POINTSMAN)


def _refuse_again(plain: tuple[str, ...], facts: Facts) -> None:
    """Raise ValueError where that is broken already, or lies on a node that has crashed."""
    same = 2 if plain[0] in ("delay", "loss", "duplicate") else len(plain)
    for broken in facts.lasting:
        was = broken.plain.split()
        if was[:same] == [*plain[:same]]:
            raise ValueError(f"{broken.fault.words} lasts already; heal it first")
        if was[:1] == ["crash"]:
            nodes = {node for target in plain[1:] for node in target.split(",")}
            nodes |= {facts.tasks.get(target, "") for target in plain[1:]}
            if was[1] in nodes:
                raise ValueError(f"{was[1]} has crashed; heal it first")


# Who leads, and who can follow.


def out(plain: Sequence[str], topology: Topology, leader: str = "") -> set[str]:
    """Return which masters, and whether ZooKeeper, can't do their part while this is broken.

    Of a cut network it is those that are cut from ZooKeeper, or from the leader if it is said.
    """
    match plain:
        case ["kill" | "stop" | "restart" | "pause", name]:
            return {name} & {*_masters(topology), "zookeeper"}
        case ["crash" | "black-hole", node]:
            return _control(node, topology)
        case ["partition" | "deaf", one, other]:
            sides = one.split(","), other.split(",")
            for seat in (*(z.name for z in topology.running("zookeeper")), leader):
                for near, far in (sides, sides[::-1]):
                    if seat in near:
                        return _masters(topology) & {*far}
    return set()


def can_lead(lasting: Iterable[Broken], topology: Topology) -> bool:
    """Tell whether enough of those that elect a leader are whole."""
    return _enough(_all_out(lasting, topology), topology)


def _sees(plain: Sequence[str], facts: Facts) -> tuple[bool, bool]:
    """Tell whether none can lead while this lasts, and whether none leads until another does."""
    new = out(plain, facts.topology, facts.leader)
    if not new:
        return False, False
    if not _enough(new | _all_out(facts.lasting, facts.topology), facts.topology):
        return True, False
    return False, facts.leader in new


def _all_out(lasting: Iterable[Broken], topology: Topology) -> set[str]:
    return {name for broken in lasting for name in out(broken.plain.split(), topology)}


def _enough(gone: set[str], topology: Topology) -> bool:
    masters = _masters(topology)
    return "zookeeper" not in gone and len(masters - gone) > len(masters) // 2


def _masters(topology: Topology) -> set[str]:
    return {master.name for master in topology.running("master")}


def _control(node: str, topology: Topology) -> set[str]:
    """Return the masters and ZooKeeper on a node, by the names of their processes."""
    runs = topology.node(node).runs
    return ({node} if "master" in runs else set()) | ({"zookeeper"} & {*runs})


# How the targets of each kind are found.


def _process(words: Sequence[str], facts: Facts) -> Effect:
    """Find a process that runs, or a task."""
    target = _led(words[0], facts)
    if target in facts.processes:
        if not facts.processes[target]:
            raise LookupError(f"{target} does not run")
        return _program(target)
    app, at, node = target.partition("@")
    if at:
        name = facts.topology.node(node).name
        there = [t for t, on in facts.tasks.items() if on == name and _app(t) == app]
        if not there:
            raise LookupError(f"no task of {app!r} runs on {name}; {_tasks(facts)}")
        target = min(there, key=lambda id_: (len(id_), id_))
    if target not in facts.tasks:
        raise LookupError(
            f"no process or task {target!r}; processes are {', '.join(facts.processes)}; "
            f"{_tasks(facts)}"
        )
    return Effect((target,), tasks=frozenset({target}))


def _killed(words: Sequence[str], facts: Facts) -> Effect:
    """Find the same, which ends."""
    effect = _process(words, facts)
    return msgspec.structs.replace(effect, ended=effect.tasks)


def _asked(words: Sequence[str], facts: Facts) -> Effect:
    """Find the same, of which a task has some time to end by itself."""
    effect = _killed(words, facts)
    return msgspec.structs.replace(effect, takes=ENDING if effect.tasks else 0.0)


def _restarted(words: Sequence[str], facts: Facts) -> Effect:
    """Find a process; a task is replaced by its framework rather than started again."""
    target = _led(words[0], facts)
    if target not in facts.processes:
        raise LookupError(f"no process {target!r}; there are {', '.join(facts.processes)}")
    return _program(target)


def _led(target: str, facts: Facts) -> str:
    """Return a target, or the leading master for ``leader``."""
    if target == "leader" and not facts.leader:
        raise LookupError("no master leads")
    return facts.leader if target == "leader" else target


def _program(name: str) -> Effect:
    pointsman = name.startswith(_POINTSMAN)
    programs = frozenset({name.removeprefix(_POINTSMAN)} if pointsman else ())
    return Effect((name,), programs=programs)


def _app(task: str) -> str:
    return task.rpartition(".")[0]


def _tasks(facts: Facts) -> str:
    return f"tasks are {', '.join(sorted(facts.tasks)) or 'none'}"


def _lost(words: Sequence[str], facts: Facts) -> Effect:
    """Find a node that can't be reached any more."""
    name = facts.topology.node(words[0]).name
    return Effect((name,), nodes=frozenset({name}))


def _crashed(words: Sequence[str], facts: Facts) -> Effect:
    """Find a node that ends with all its tasks."""
    effect = _lost(words, facts)
    ended = frozenset(task for task, node in facts.tasks.items() if node in effect.nodes)
    return msgspec.structs.replace(effect, ended=ended)


def _delayed(words: Sequence[str], facts: Facts) -> Effect:
    name = facts.topology.node(words[0]).name
    delay, *jitter = (_number(word, "milliseconds", 0, 60_000) for word in words[1:])
    slow = delay + sum(jitter) >= SLOW
    return Effect((name, *words[1:]), nodes=frozenset({name} if slow else ()))


def _lossy(words: Sequence[str], facts: Facts) -> Effect:
    name = facts.topology.node(words[0]).name
    _number(words[1], "percent", 0, 100)
    return Effect((name, words[1]), nodes=frozenset({name}))


def _duplicated(words: Sequence[str], facts: Facts) -> Effect:
    return msgspec.structs.replace(_lossy(words, facts), nodes=_NOBODY)


def _number(word: str, unit: str, least: float, most: float) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f"{word}: say {unit} from {least:.0f} to {most:.0f}")
    return value


def _cut(words: Sequence[str], facts: Facts) -> Effect:
    """Find two sides that share no node; the smaller one counts as out of reach."""
    topology = facts.topology
    one = [topology.node(name).name for name in words[0].split(",")]
    if words[1] == "others":
        other = [name for name in topology.nodes if name not in one]
    else:
        other = [topology.node(name).name for name in words[1].split(",")]
    if both := sorted({*one} & {*other}):
        raise ValueError(f"{' '.join(words)}: {', '.join(both)} can't be on both sides")
    if not other:
        raise ValueError(f"{' '.join(words)}: there are no others")
    small, large = sorted((one, other), key=len)
    control = {*(z.name for z in topology.running("zookeeper")), facts.leader}
    following = {p.name for p in topology.running("pointsman")}
    return Effect(
        (",".join(one), ",".join(other)),
        nodes=frozenset(small),
        programs=frozenset(following & {*large} if control & {*small} else ()),
    )


def _clock(words: Sequence[str], facts: Facts) -> Effect:
    _number(words[0], "seconds", -YEAR, YEAR)
    if not facts.own_kernel:
        raise ValueError("this machine's own clock would change: the lab has no kernel of its own")
    return Effect((words[0],), lasts=0.0)


def _with_pointsman(words: Sequence[str], facts: Facts) -> str:
    name = facts.topology.node(words[0]).name
    there = [one.name for one in facts.topology.running("pointsman")]
    if name not in there:
        raise LookupError(f"{name} runs no Pointsman; {', '.join(there)} do")
    return name


def _full_disk(words: Sequence[str], facts: Facts) -> Effect:
    return Effect((_with_pointsman(words, facts),))


def _mended(words: Sequence[str], facts: Facts) -> Effect:
    """Find a node whose Pointsman is to mend it: at its next look, and some time for the work."""
    name = _with_pointsman(words, facts)
    lasts = CHECK_INTERVAL
    for further in (facts.topology.pointsman, facts.topology.node(name).pointsman):
        lasts = further.get("vip", {}).get("check_interval", lasts)
    return Effect((name,), nodes=frozenset({name}), lasts=lasts + MENDING)


TARGETS = (
    "T is a process as `lab status` names it, `leader`, a task (web.1), or an instance of an app "
    "on a node (web@agent2)."
)
KINDS = {
    kind.usage.split()[0]: kind
    for kind in (
        Kind("kill T", "SIGKILL; heal starts a process again", _killed),
        Kind("stop T", "SIGTERM; heal starts a process again", _asked),
        Kind("restart T", "SIGTERM, and starts it again at once", _restarted),
        Kind("pause T", "SIGSTOP; heal lets it go on", _process),
        Kind("crash NODE", "no power: all that runs there is gone; heal boots it", _crashed),
        Kind("black-hole NODE", "its ports are down; heal: up", _lost),
        Kind("delay NODE MS [JITTER]", "what it sends and what it gets comes later", _delayed),
        Kind("loss NODE PERCENT", "so much of what it sends and gets is lost", _lossy),
        Kind("duplicate NODE PERCENT", "so much of it comes twice", _duplicated),
        Kind("partition A[,B…] C[,D…]|others", "neither side hears the other", _cut),
        Kind("deaf A[,B…] C[,D…]|others", "the first side does not hear the second", _cut),
        Kind("clock SECONDS", "the wall clock is stepped, and goes on from there", _clock),
        Kind("disk-full NODE", "no room where its Pointsman keeps its state", _full_disk),
        Kind("conntrack-full NODE", "no room in its table of connections", _lost),
        Kind("clear NODE", "ipvsadm -C there; Pointsman mends it", _mended),
        Kind("wipe NODE", "the addresses and routes of its VIPs go; Pointsman mends it", _mended),
    )
}
"""All kinds, by their first word."""
