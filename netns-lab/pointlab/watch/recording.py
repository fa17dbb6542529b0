"""What was seen of a lab while something happened to it: the values that all judgement is about.

Times are seconds of the monotonic clock. What was looked at again and again (DNS, kernel tables) is
kept as spans in which the same was seen.
"""

from pathlib import Path

import msgspec

Endpoint = tuple[str, int]
"""Address and port of an instance."""


def endpoint(host: str) -> Endpoint:
    """Return the address and port of ``ADDRESS:PORT``; one of IPv6 may stand in brackets."""
    address, _, port = host.rpartition(":")
    return address.removeprefix("[").removesuffix("]"), int(port)


class Request(msgspec.Struct, frozen=True):
    """One request of a load."""

    start: float
    end: float
    server: str
    """What answered, as it names itself (``web.1 on 10.31.0.11:31000``); "" when none did."""
    error: str = ""


class Load(msgspec.Struct, frozen=True):
    """The requests of one client to one address."""

    name: str
    """As in ``web from client``."""
    director: str
    """The node whose kernel balances them."""
    requests: tuple[Request, ...]
    """In order of their ends."""
    source: str = ""
    """The node that asks."""


class Span(msgspec.Struct, frozen=True):
    """The same was seen from ``first`` to ``last``, each of ``count`` times that one looked."""

    first: float
    last: float
    count: int
    endpoints: frozenset[Endpoint]
    """The instances; in a kernel's table those of weight above 0."""
    status: str = ""
    """What is wrong: an rcode (``NXDOMAIN``), ``timeout``, ``no virtual server``, ``no host``; ""
    when well."""


class Seen(msgspec.Struct, frozen=True):
    """What one look found."""

    endpoints: frozenset[Endpoint] = frozenset()
    status: str = ""
    """As in ``Span``."""


class View(msgspec.Struct, frozen=True):
    """How one node saw an app all the time, in its kernel's table or by its DNS."""

    node: str
    what: str
    """``kernel``, ``srv`` (by SRV and its additional addresses), or ``vip`` (the VIP's name)."""
    spans: tuple[Span, ...]


class Moment(msgspec.Struct, frozen=True):
    """What Mesos said of a task from then on."""

    at: float
    state: str
    """``TASK_RUNNING``, …"""
    healthy: bool | None = None


class Task(msgspec.Struct, frozen=True):
    """A task of the app, by the framework that started it."""

    id: str
    agent: str
    """The node."""
    endpoints: tuple[Endpoint, ...]
    """Where it serves: one of each address."""
    moments: tuple[Moment, ...]
    checked: bool = False
    """Whether Mesos checks its health: then it serves once that is known to be good."""
    inner: tuple[Endpoint, ...] = ()
    """Where it listens behind its agent's bridge: only that agent's kernel may have it there."""


class Fault(msgspec.Struct, frozen=True):
    """Something that was broken on purpose."""

    at: float
    words: str
    """As it was commanded: ``pause web.1``."""
    tasks: frozenset[str] = frozenset()
    """Tasks that can't answer while it lasts."""
    nodes: frozenset[str] = frozenset()
    """Nodes that can't be reached while it lasts: requests from, by or to them may fail."""
    programs: frozenset[str] = frozenset()
    """Nodes whose Pointsman can't answer or follow while it lasts; their kernels go on."""
    ended: frozenset[str] = frozenset()
    """Tasks that ended with it, whether or not Mesos has heard of that."""
    takes: float = 0.0
    """Seconds in which those have ended, at most."""
    blind: bool = False
    """While it lasts nobody can know what becomes of tasks (no master, no ZooKeeper)."""
    until: float | None = None
    """When it was healed; None while it lasts."""


class Note(msgspec.Struct, frozen=True):
    """A step of the scenario, or what somebody did."""

    at: float
    text: str
    unmet: bool = False
    """Whether it was not so as was expected, or could not be done: then ``text`` says why."""


class Recording(msgspec.Struct, frozen=True):
    """All of it."""

    title: str
    topology: str
    app: str
    vip: str
    """``ADDRESS:PORT``."""
    began: float
    ended: float
    nodes: tuple[str, ...]
    """Those that run Pointsman."""
    tasks: tuple[Task, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]
    loads: tuple[Load, ...]
    views: tuple[View, ...]
    zones: dict[str, str] = {}
    """By node, where kernels hold no other instances while one of their own zone serves."""


def save(recording: Recording, path: Path) -> None:
    """Write it as JSON."""
    path.write_bytes(msgspec.json.encode(recording))


def load(path: Path) -> Recording:
    """Read it; raises msgspec.ValidationError for what is none."""
    return msgspec.json.decode(path.read_bytes(), type=Recording)
