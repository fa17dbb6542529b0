"""What the configuration says of health checks."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from pointsman.healthcheck import specification
from pointsman.healthcheck.asking import CheckRules, Rule
from pointsman.healthcheck.model import Timing

Interval = Annotated[float, msgspec.Meta(ge=specification.LOWEST, le=86_400)]


class HealthConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probes of tasks, beside what Mesos itself checks."""

    tcp: bool = False
    """Connect to each real server of TCP of which nobody says how it is checked."""
    mesos: bool = False
    """Repeat from here the HTTP and TCP checks that Mesos makes of tasks."""
    checks: tuple[Rule, ...] = ()
    """Checks for tasks by framework and name."""
    commands: dict[str, tuple[str, ...]] = {}
    """What checks may run, by name: the program and its arguments."""
    interval: Interval = 5.0
    """Seconds from one probe of a target to the next."""
    timeout: Interval = 2.0
    """Seconds for a probe."""
    edge_interval: Interval = 1.0
    """The interval while results speak against what is believed, or nothing is known yet."""
    stable_interval: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """The interval after ten equal results; 0 for the ordinary one."""
    rise: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    """Good results in a row after which a target is up again."""
    fall: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    """Others in a row after which it is down."""
    grace: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """Seconds in which failures of a new task, before its first good result, say nothing."""
    damping: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """Seconds in which half of a target's falls are forgotten; one that falls twice within them
    stays down for a while. 0 for no damping."""
    share: Annotated[int, msgspec.Meta(ge=0, le=100)] = 100
    """Percent of what is on other hosts that this node probes; it probes all that is on its own."""
    sockets: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 1000
    """Probes at once."""

    @property
    def timing(self) -> Timing:
        """Times of checks that do not say them themselves."""
        return Timing(
            self.interval,
            self.timeout,
            min(self.edge_interval, self.interval),
            self.stable_interval,
            self.rise,
            self.fall,
            self.grace,
        )

    def rules(self, node: str) -> CheckRules:
        """Return the rules by which checks are chosen; ``node`` tells this node from others."""
        return CheckRules(
            self.timing,
            tuple(sorted(self.commands.items())),
            self.checks,
            self.mesos,
            self.tcp,
            self.share,
            node,
        )


def problems(health: HealthConfig) -> Iterator[tuple[str, str]]:
    """Yield each key that can't be used, and why."""
    for name, words in health.commands.items():
        if not words or not words[0].startswith("/"):
            yield f"commands.{name}", "does not begin with the absolute path of a program"
    for at, rule in enumerate(health.checks):
        try:
            specification.read(rule.check, health.timing, health.commands)
        except ValueError as error:
            yield f"checks[{at}].check", str(error)
    if health.timeout > health.interval:
        yield "timeout", "is longer than interval"
