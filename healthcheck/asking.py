"""Which check a task's port is given: by its labels, by rules of the configuration, or by Mesos."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from pointsman.discovery.model import HealthCheck, Task
from pointsman.healthcheck import specification
from pointsman.healthcheck.model import Check, Http, Target, Tcp, Timing, Tls
from pointsman.healthcheck.schedule import phase
from pointsman.healthcheck.specification import MESOS, NONE

LABEL = "HEALTHCHECK"
"""Label of a task: a check of all its ports."""


class Rule(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A check for the tasks of which framework and name are as said; the first that fits counts."""

    check: str
    """As in a label."""
    framework: str = "*"
    """Pattern of its framework's name: * for any characters, ? for one."""
    name: str = "*"
    """The same of the task's name."""

    def fits(self, task: Task) -> bool:
        """Tell whether it is for this task."""
        return fnmatchcase(task.framework, self.framework) and fnmatchcase(task.name, self.name)


class CheckRules(msgspec.Struct, frozen=True, gc=False):
    """What the configuration says of checks."""

    timing: Timing = Timing()
    commands: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names and words of what ``exec`` may run."""
    rules: tuple[Rule, ...] = ()
    mesos: bool = False
    """Repeat what Mesos checks."""
    tcp: bool = False
    """Connect to real servers of which nobody says how they are checked."""
    share: int = 100
    """Percent of what is on other hosts that this node probes; it probes all that is on its own."""
    node: str = ""
    """What tells this node from others."""

    def here(self, target: Target, *, own: bool) -> bool:
        """Tell whether this node probes a target; ``own`` for one on its own host.

        Not by the phase that says when: those that are chosen would have their turns together.
        """
        return own or self.share >= 100 or phase(f"share {self.node}", target) * 100 < self.share


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The check that counts, if any, and what made no sense on the way to it."""

    check: Check | None = None
    problems: tuple[str, ...] = ()
    port: int = 0
    """Of the task's own container, where Mesos asks; 0 for the port that is served."""


def choose(task: Task, said: str, rules: CheckRules, *, balanced: bool) -> Choice:
    """Return the check of a task's port; ``said`` is what a label of its VIP says, "" for nothing.

    What makes no sense is passed over for what would count without it. ``balanced`` is whether
    it is a real server's, of TCP, which ``CheckRules.tcp`` is about.
    """
    problems = []
    for where, text in _texts(task, said, rules, balanced=balanced):
        try:
            check = _read(text, rules)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if check == NONE:
            return Choice(None, tuple(problems))
        if isinstance(check, Check):
            return Choice(check, tuple(problems))
        if task.health_check is None:
            if where:
                problems.append(f"{where}: Mesos checks nothing of it")
            continue
        found = repeated(task.health_check, rules.timing)
        if found is not None:
            return Choice(found, tuple(problems), task.health_check.port)
        if where:
            why = (
                f"Mesos's check is a {task.health_check.type or 'command'}, which can't be repeated"
            )
            problems.append(f"{where}: {why}")
    return Choice(None, tuple(problems))


def _texts(
    task: Task, said: str, rules: CheckRules, *, balanced: bool
) -> Iterator[tuple[str, str]]:
    """Yield what is said of a check and where, that which counts most first."""
    if said:
        yield "label", said
    for key, value in task.labels:
        if key.upper() == LABEL:
            yield f"label {key}", value
    for at, rule in enumerate(rules.rules):
        if rule.fits(task):
            yield f"health.checks[{at}]", rule.check
            break
    if rules.mesos:
        yield "", MESOS
    if rules.tcp and balanced:
        yield "", "tcp"


@lru_cache(maxsize=4096)
def _read(text: str, rules: CheckRules) -> Check | str:
    return specification.read(text, rules.timing, dict(rules.commands))


def repeated(asked: HealthCheck, timing: Timing) -> Check | None:
    """Return the check that asks what Mesos asks (HealthCheck in mesos.proto).

    Times are those of the task, where it gives any. None for a command, and for what can't be asked
    as it stands.
    """
    if not asked.port < 65_536:
        return None
    times = Timing(
        interval=max(asked.interval or timing.interval, specification.LOWEST),
        timeout=max(asked.timeout or timing.timeout, specification.LOWEST),
        edge=timing.edge,
        stable=timing.stable,
        rise=timing.rise,
        fall=asked.failures or timing.fall,
        grace=max(timing.grace, asked.delay + asked.grace),
    )
    if asked.type == "TCP":
        return Check(Tcp(), times)
    if asked.type == "HTTP" and specification.is_path(asked.path or "/"):
        # Mesos does not look at certificates (src/checks/checker_process.cpp: curl -k).
        tls = Tls(verify=False) if asked.scheme == "https" else None
        return Check(Http(asked.path or "/", tls=tls), times)
    return None
