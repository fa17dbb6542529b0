"""Watches a running lab: loads, kernels and DNS of all nodes at once, made into a recording."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from pointlab.watch import cast, lookup, record
from pointlab.watch.load import Load as Kept
from pointlab.watch.record import Sight, Watch
from pointlab.watch.recording import Fault, Load, Note, Recording, Task, endpoint
from pointlab.watch.stream import Stream

KERNEL, DNS = 0.05, 0.1
"""Seconds from one look to the next."""
LONG = 3
"""How many ask at once for what takes long."""
PATIENCE = 3.0
"""Seconds that a request may take."""


class LoadSpec(msgspec.Struct, frozen=True):
    """A load to put on an address."""

    name: str
    """As in ``web from client``."""
    netns: str
    """Where it asks from."""
    source: str
    """The node of that namespace."""
    director: str
    """The node whose kernel balances it."""
    host: str
    """``ADDRESS:PORT``; an address of IPv6 stands in brackets."""
    rate: float
    """Requests a second."""
    keep: bool = False
    """Ask on one connection for as long as the server keeps it, one request after the other."""
    long: float = 0.0
    """Ask for what takes so many seconds; several do so at once."""


class Watching:
    """Loads and recorders of an app, from ``start`` to ``stop``."""

    def __init__(
        self,
        app: str,
        vip: str,
        nodes: Mapping[str, tuple[str, str]],
        loads: Sequence[LoadSpec],
        srv_name: str,
        vip_name: str,
        *,
        kernel: float = KERNEL,
        dns: float = DNS,
    ) -> None:
        """``nodes`` are the namespace and the DNS server's address of each that runs Pointsman.

        ``vip`` is ``ADDRESS:PORT``; ``kernel`` and ``dns`` are the seconds between two looks.
        """
        self._app, self._vip, self._nodes = app, vip, tuple(nodes)
        self._began, self._ended = time.monotonic(), 0.0
        self._loads = [(spec, _load(spec)) for spec in loads]
        address, port = endpoint(vip)
        self._tables = {name: record.Table(netns_) for name, (netns_, _) in nodes.items()}
        kernels = [
            Sight(name, "kernel", record.held(table, address, port))
            for name, table in self._tables.items()
        ]
        kind = "AAAA" if ":" in address else "A"
        self._asking: list[lookup.Asking] = []
        named: list[Sight] = []
        for name, (netns_, server) in nodes.items():
            srv, by_vip = lookup.Asking(netns_, server), lookup.Asking(netns_, server)
            self._asking += [srv, by_vip]
            named += [
                Sight(name, "srv", lookup.srv(srv, srv_name)),
                Sight(name, "vip", lookup.address(by_vip, vip_name, kind)),
            ]
        self._sights = [*kernels, *named]
        # One that does not answer must not keep others waiting; the kernels answer at once.
        self._watches = [Watch(kernels, kernel), *(Watch([sight], dns) for sight in named)]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for watch in self._watches:
            watch.start()
        for _, load in self._loads:
            load.start()

    def stop(self) -> None:
        """Let the last requests end, and look no more."""
        for _, load in self._loads:
            load.stop()
        for watch in self._watches:
            watch.stop()
        for table in self._tables.values():
            table.close()
        for asking in self._asking:
            asking.close()
        self._ended = time.monotonic()

    def recording(
        self,
        title: str,
        topology: str,
        tasks: Sequence[Task],
        faults: Sequence[Fault],
        notes: Sequence[Note],
        zones: Mapping[str, str] | None = None,
    ) -> Recording:
        """Return all that was seen until now, with what else is known."""
        return Recording(
            title=title,
            topology=topology,
            app=self._app,
            vip=self._vip,
            began=self._began,
            ended=self._ended or time.monotonic(),
            nodes=self._nodes,
            tasks=tuple(tasks),
            faults=tuple(faults),
            notes=tuple(notes),
            loads=tuple(
                Load(spec.name, spec.director, tuple(load.requests), spec.source)
                for spec, load in self._loads
            ),
            views=tuple(cast.view(sight.view(), tasks) for sight in self._sights),
            zones=dict(zones or {}),
        )


def _load(spec: LoadSpec) -> Stream | Kept:
    if spec.long:
        return Kept(
            spec.netns, spec.host, threads=LONG, pause=1 / spec.rate,
            path=f"/sleep/{spec.long:g}", timeout=spec.long + PATIENCE,
        )  # fmt: skip
    if spec.keep:
        return Kept(
            spec.netns, spec.host, threads=1, pause=1 / spec.rate, keep=True, timeout=PATIENCE
        )
    return Stream(spec.netns, spec.host, spec.rate, PATIENCE)
