"""Scenarios: what is done to a lab, step by step, as a file says it.

A file has comments at its head, which describe it, then ``topology NAME``, then a step a line. A
step is also a command of the lab: ``run web`` in a file is ``lab run web`` on a lab that is up.
"""

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
SUFFIX = ".lab"
PEERS = "peers"
"""The topology that has Pointsman's peers, too."""
WITHIN = 60.0
"""Seconds that is waited for what is expected, where a step does not say: an instance takes 2 s to
start, and 40 s where several labs share two processors."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Above = Annotated[float, msgspec.Meta(gt=0)]


class ScriptError(ValueError):
    """A step or a scenario can't be read; the text names the place."""


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Start an app of web servers behind the VIP /APP:PORT."""

    app: str
    instances: Count = 3
    port: Count = 80
    """Of the VIP."""
    check: str = ""
    """Pointsman's own health check: ``http``, ``tcp``, as the label VIP_0_HEALTHCHECK has it."""
    grace: Seconds = 3.0
    """Seconds that an instance may take to end."""
    network: str = ""
    """Of its containers, where the topology has several."""
    slow: Seconds = 0.0
    """Seconds that an instance runs before it serves."""
    host_port: Count = 0
    """Which port of its host an instance has; 0 for any."""


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Run an app at another number of instances."""

    app: str
    instances: Count


class Kill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Have the framework end a task, which it then replaces."""

    task: str


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Have Mesos told a task's health from now on: true, false, or null for what is so."""

    task: str
    healthy: bool | None


class Roll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace the instances of an app, one after another: a new one first."""

    app: str
    only: Count = 0
    """How many of them, the oldest first; 0 for all."""


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End an app."""

    app: str


class Break(msgspec.Struct, frozen=True):
    """Break something: `lab break --list` has the kinds."""

    words: tuple[str, ...]


class Heal(msgspec.Struct, frozen=True):
    """Undo what was broken: with the same words that, without any all."""

    words: tuple[str, ...] = ()


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sources": "from"}):
    """Begin to ask an app and to look at every node's kernel and DNS."""

    app: str
    sources: tuple[str, ...] = ()
    """Nodes that ask; all clients if none is said."""
    rate: Above = 10.0
    """Requests a second of each."""
    keep: bool = False
    """Ask on kept connections, too."""
    long: Seconds = 0.0
    """Ask for what takes so many seconds, too."""


class Sleep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let time pass."""

    seconds: Seconds


class Expect(msgspec.Struct, frozen=True):
    """Wait until something is so, or fail."""

    what: Literal[
        "instances", "gone", "there", "unchanged", "leader", "failed", "agreement", "reachable"
    ]
    subject: str = ""
    """The app or the task."""
    number: float = 0.0
    within: float = WITHIN


Verb = Run | Scale | Kill | Health | Roll | Stop | Break | Heal | Watch | Sleep | Expect
VERBS: dict[str, type[msgspec.Struct]] = {
    "run": Run, "scale": Scale, "kill": Kill, "health": Health, "roll": Roll, "stop": Stop,
    "break": Break, "heal": Heal, "watch": Watch, "sleep": Sleep, "expect": Expect,
}  # fmt: skip
EXPECTED = (
    "expect APP N", "expect TASK gone", "expect TASK there", "expect APP reachable",
    "expect unchanged SECONDS", "expect leader", "expect failed N", "expect agreement",
)  # fmt: skip
"""Each may end in ``within SECONDS``."""


class Step(msgspec.Struct, frozen=True):
    """One step; as a text it is as it was written."""

    text: str
    verb: Verb
    line: int = 0

    def __str__(self) -> str:
        return self.text


class Scenario(msgspec.Struct, frozen=True):
    """A file."""

    name: str
    about: str
    """Its head, a paragraph of it for each line that says nothing."""
    topology: str
    steps: tuple[Step, ...]
    short: bool = False
    """Whether it is among the few that show the most."""
    peers: bool = False
    """Whether it can be done before Pointsman and its peers alike."""

    @property
    def title(self) -> str:
        """The first sentence of its head."""
        return self.about.partition(". ")[0].partition("\n\n")[0].rstrip(".")


def names() -> list[str]:
    """Return the names of the scenarios that come with the lab."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load(name: str) -> Scenario:
    """Read a scenario of the lab by its name, or any file by its path; raises ScriptError."""
    path = Path(name) if name.endswith(SUFFIX) else FOLDER / f"{name}{SUFFIX}"
    if not path.exists():
        raise ScriptError(f"no scenario {name!r}{_meant(name, names())}")
    return parse(path.read_text(), path.stem)


def parse(text: str, name: str) -> Scenario:
    """Read a scenario; raises ScriptError, which names the line."""
    about: list[str] = []
    topology, flags = "", set[str]()
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith("#") and not topology:
                about.append(line.lstrip("#").strip())
                continue
            match words(line):
                case []:
                    pass
                case ["topology", word] if not topology:
                    topology = word
                case ["short" | "peers" as flag]:
                    flags.add(flag)
                case _ if not topology:
                    raise ScriptError("`topology NAME` comes first")
                case said:
                    read = step(said)
                    steps.append(Step(line.strip(), read.verb, number))
        except ScriptError as error:
            raise ScriptError(f"{name}{SUFFIX}:{number}: {error}") from error
    if not steps:
        raise ScriptError(f"{name}{SUFFIX}: has no step")
    described = "\n\n".join(" ".join(p.split("\n")) for p in "\n".join(about).split("\n\n"))
    return Scenario(name, described, topology, tuple(steps), "short" in flags, "peers" in flags)


def before_peers(scenario: Scenario) -> Scenario:
    """Return a scenario for the topology that has the peers, where clients alone ask."""
    steps = tuple(
        msgspec.structs.replace(one, text=f"watch {one.verb.app}", verb=Watch(one.verb.app))
        if isinstance(one.verb, Watch)
        else one
        for one in scenario.steps
    )
    return msgspec.structs.replace(scenario, topology=PEERS, steps=steps)


def step(words: Sequence[str]) -> Step:
    """Read one step; raises ScriptError."""
    name, *rest = words or [""]
    if name not in VERBS:
        raise ScriptError(f"no step {name!r}{_meant(name, VERBS)}")
    verb = VERBS[name]
    if verb is Expect:
        read: object = _expectation(rest)
    elif verb in (Break, Heal):
        if verb is Break and not rest:
            raise ScriptError("break what? `lab break --list` has the kinds")
        read = verb(tuple(rest))
    else:
        read = _plain(name, verb, rest)
    return Step(shlex.join(words), read)  # type: ignore[arg-type]


def words(line: str) -> list[str]:
    """Return the words of a line; raises ScriptError for a quote that is not closed."""
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise ScriptError(str(error)) from error


def _plain(name: str, verb: type[msgspec.Struct], words: list[str]) -> object:
    """Read the words of a verb: its required fields in order, the others as options."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(verb)}
    required = [key for key, field in fields.items() if field.required]
    usage = " ".join([name, *(key.upper() for key in required)])
    given: dict[str, object] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            if not required:
                raise ScriptError(f"{usage}: {word!r} is too much")
            given[required.pop(0)] = word
            continue
        key = word.removeprefix("--").replace("-", "_")
        if key not in fields or fields[key].required:
            options = [f"--{one.replace('_', '-')}" for one, f in fields.items() if not f.required]
            raise ScriptError(f"{usage}: no option {word}{_meant(word, options)}")
        if fields[key].type is bool:
            given[key] = True
        elif not left:
            raise ScriptError(f"{usage}: {word} needs a value")
        elif fields[key].type == tuple[str, ...]:
            given[key] = (*given.get(key, ()), left.pop(0))  # type: ignore[misc]
        else:
            given[key] = left.pop(0)
    if required:
        raise ScriptError(f"{usage}: {required[0].upper()} is missing")
    try:
        return msgspec.convert(given, verb, strict=False)
    except msgspec.ValidationError as error:
        raise ScriptError(f"{usage}: {error}") from error


def _expectation(words: list[str]) -> Expect:
    within = WITHIN
    if len(words) > 2 and words[-2] == "within":
        within = _number(words[-1])
        words = words[:-2]
    match words:
        case ["leader" | "agreement" as what]:
            return Expect(what, within=within)
        case ["unchanged" | "failed" as what, number]:
            return Expect(what, number=_number(number), within=within)
        case [subject, "gone" | "there" | "reachable" as what]:
            return Expect(what, subject, within=within)
        case [app, number]:
            return Expect("instances", app, _number(number), within)
        case _:
            raise ScriptError(f"expect what? there are: {'; '.join(EXPECTED)}")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ScriptError(f"{word!r} is no number") from None


def _meant(word: str, known: Sequence[str] | dict[str, type[msgspec.Struct]]) -> str:
    """Say which of the known words was perhaps meant, or which there are."""
    if close := difflib.get_close_matches(word, [*known], n=1):
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}"
