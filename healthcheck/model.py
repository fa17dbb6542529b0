"""What is probed and how, and what came of it: the frozen values of health checks."""

import enum
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from immutables import Map

from pointsman.discovery import text


class Outcome(enum.StrEnum):
    """What one probe found."""

    GOOD = "good"
    """It answered as it should."""
    REFUSED = "refused"
    """Its host is there, and nobody listens."""
    UNREACHABLE = "unreachable"
    """No connection came about in time, or the network knows of no way to it."""
    SLOW = "slow"
    """There was a connection, and no whole answer in time."""
    BAD = "bad"
    """It answered, and not as it should."""
    UNTRIED = "untried"
    """It could not be asked, for a reason on this side: that says nothing of it."""

    @property
    def lost(self) -> bool:
        """Tell whether connections to it are of no more use."""
        return self in (Outcome.REFUSED, Outcome.UNREACHABLE)


class Result(msgspec.Struct, frozen=True, gc=False):
    """What one probe found, and the reason for people (``HTTP 503, expected 200-399``)."""

    outcome: Outcome
    reason: str = ""


class Failed(Exception):
    """A probe ends here, with this result; raised and caught within a probe."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.result = Result(outcome, reason)


class Tcp(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="tcp"):
    """A connection comes about."""


class Tls(msgspec.Struct, frozen=True, gc=False):
    """How a probe speaks TLS."""

    sni: str = ""
    """Name to ask for, and to find in the certificate; empty for the probe's host."""
    verify: bool = True
    """The certificate has to be of an authority that is known, and of that name."""
    ca: str = ""
    """File of authorities; empty for those of the system."""
    certificate: str = ""
    """File with the client's own, and its key unless ``key`` has it."""
    key: str = ""


class Http(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="http"):
    """A request is answered with a status and a body as expected (RFC 9110, RFC 9112)."""

    path: str = "/"
    method: str = "GET"
    host: str = ""
    """For the header Host; empty for the address and port."""
    headers: tuple[tuple[str, str], ...] = ()
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    """Lowest and highest of each range that is good."""
    body: str = ""
    """Text that the body's first 64 KiB contain; empty for any."""
    tls: Tls | None = None
    """None for plain HTTP."""


class Grpc(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="grpc"):
    """The service says SERVING (``grpc.health.v1.Health/Check`` of the gRPC health protocol)."""

    service: str = ""
    """Name to ask for; empty for the server as a whole."""
    host: str = ""
    """For ``:authority``; empty for the address and port."""
    tls: Tls | None = None


class Dns(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="dns"):
    """A question is answered (RFC 1035)."""

    name: str = "."
    type: str = "A"
    rcode: str = "NOERROR"
    expect: str = ""
    """Data that one of the answers has, in its text form; empty for any."""
    tcp: bool = False


class Udp(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="udp"):
    """A datagram is answered; without ``expect``, at least not refused."""

    send: bytes = b""
    expect: bytes = b""
    """What the answer begins with."""


class Exec(msgspec.Struct, frozen=True, gc=False, tag_field="probe", tag="exec"):
    """A command ends with 0 or 1 (good and warning, as Nagios plugins say it)."""

    name: str
    """By which the configuration calls it."""
    words: tuple[str, ...]
    """The program and its arguments; ``{address}`` and ``{port}`` stand for the target's."""


Probe: TypeAlias = Tcp | Http | Grpc | Dns | Udp | Exec


def kind(probe: Probe) -> str:
    """Return what a probe is called: ``tcp``, ``https`` and so on."""
    if isinstance(probe, Http) and probe.tls:
        return "https"
    return type(probe).__name__.lower()


class Timing(msgspec.Struct, frozen=True, gc=False):
    """How often is probed, and how many results it takes; all times in seconds."""

    interval: float = 5.0
    """From one probe to the next."""
    timeout: float = 2.0
    """For one probe."""
    edge: float = 1.0
    """The interval while results speak against what is believed; never longer than the other."""
    stable: float = 0.0
    """The interval after ``STABLE`` equal results; 0 for the ordinary one."""
    rise: int = 2
    """Good results in a row after which it is up."""
    fall: int = 3
    """Others in a row after which it is down."""
    grace: float = 10.0
    """After it is first seen, until when failures before the first good result say nothing."""


class Check(msgspec.Struct, frozen=True, gc=False):
    """What is asked, how often, and how."""

    probe: Probe
    timing: Timing = Timing()
    port: int = 0
    """Where to ask; 0 for the port that is served."""
    data_path: bool = False
    """Ask through the virtual server, led to this one real server, rather than directly."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """A check of one place; equal ones are probed once, for all who ask."""

    address: str
    port: int
    check: Check
    via: str = ""
    """The virtual server that it is asked through; empty for directly."""

    def __str__(self) -> str:
        where = f"{kind(self.check.probe)} {text.joined(self.address, self.port)}"
        return f"{where} through {self.via}" if self.via else where


def untimed(target: Target) -> Target:
    """Return a target as if its check had the usual times."""
    check = msgspec.structs.replace(target.check, timing=Timing())
    return msgspec.structs.replace(target, check=check)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a probe goes, and for how long it may."""

    address: str
    port: int
    timeout: float
    """Seconds for all of it."""
    mark: int = 0

    def __str__(self) -> str:
        return text.joined(self.address, self.port)


class Standing(enum.StrEnum):
    """What is believed of a target."""

    NEW = "new"
    """Nothing is known yet."""
    UP = "up"
    SICK = "sick"
    """It answers badly, or too late."""
    LOST = "lost"
    """Nobody answers there."""


class Status(msgspec.Struct, frozen=True, gc=False):
    """What is believed of a target, since when (by ``time.monotonic``), and why."""

    standing: Standing = Standing.NEW
    since: float = 0.0
    reason: str = ""


class Health(msgspec.Struct, frozen=True):
    """What is believed of all that this node probes."""

    statuses: Map[Target, Status] = Map()
    trusting: bool = False
    """A target that is seen for the first time is taken to be up: it was there before us."""
    alike: Mapping[Target, Status] = {}
    """Of targets without their times: a check that is made at other times finds the same."""

    def of(self, target: Target) -> Status:
        """Return what is believed of a target."""
        if found := self.statuses.get(target):
            return found
        alike = self.alike.get(untimed(target)) if self.alike else None
        return alike or (_TRUSTED if self.trusting else _NEW)


_NEW, _TRUSTED = Status(), Status(Standing.UP)

TRUSTING = Health(trusting=True)
"""What is believed where nothing is probed."""
