"""Looks at a running lab now: what Mesos says, and what each node's kernel and DNS have."""

import contextlib
import ipaddress
import threading
import time
from collections.abc import Callable, Sequence

from pointlab.judge.truth import own, preferred, visible
from pointlab.site import netns
from pointlab.site.lab import Lab
from pointlab.site.topology import Topology
from pointlab.watch import cast, lookup, record
from pointlab.watch.cast import bracketed, written
from pointlab.watch.recording import Endpoint, Fault, Seen, Task, endpoint

DOMAIN = "marathon.l4lb.thisdcos.directory"
"""Of the names of VIPs."""
BOTH = ("A", "AAAA")
LOOKED_AT = ("kernel", "srv")
AT_ONCE = 3.0
"""Seconds that a connection may take."""
PAUSE = 0.1
"""Seconds from one look to the next."""


class Eyes:
    """Looks; each condition is "" when it holds, else what was seen instead."""

    def __init__(self, lab: Lab, faults: Callable[[], Sequence[Fault]]) -> None:
        """``faults`` tells what is broken; nodes of which nothing can be expected are left out."""
        self._lab = lab
        self._faults = faults
        self._vips: dict[str, str] = {}

    def tasks(self, app: str) -> tuple[Task, ...]:
        """Return the tasks of an app by the framework; raises OSError when it does not answer."""
        history = self._lab.cluster.ask("/history")["history"]
        return cast.tasks(history, self._lab.topology, app)

    def apps(self) -> list[str]:
        """Return the apps that the framework keeps at one instance or more."""
        told = self._lab.cluster.ask("/apps")
        return [app for app, spec in told.items() if spec["instances"]]

    def vip(self, app: str) -> str:
        """Return ``ADDRESS:PORT`` of an app's VIP; raises LookupError while no node knows it."""
        if app not in self._vips:
            told = self._lab.cluster.ask("/apps")
            if app not in told:
                raise LookupError(f"no app {app!r}; there are {', '.join(told) or 'none'}")
            port = cast.vip_port(told[app])
            for node in self.whole():
                with self._asking(node) as asking:
                    found = lookup.address(asking, vip_name(app), *BOTH)().endpoints
                if hosts := sorted((host for host, _ in found), key=_version):
                    self._vips[app] = bracketed(hosts[0], port)
                    break
            else:
                raise LookupError(f"no node has an address of {vip_name(app)}")
        return self._vips[app]

    def whole(self) -> list[str]:
        """Return the nodes of which something can be expected now."""
        return cast.whole(self._lab.topology, self._faults())

    def balances(self) -> str:
        """Tell which node's kernel balances anything; "" when none does."""
        for one in self._lab.topology.running("pointsman"):
            with contextlib.closing(record.Table(self._lab.netns(one.name))) as table:
                if any(kind in table.text() for kind in ("\nTCP ", "\nUDP ")):
                    return one.name
        return ""

    def look(self, node: str, what: str, app: str, all_: Sequence[Task]) -> Seen:
        """Look once at a node's ``kernel`` or its ``srv`` for an app that has these tasks."""
        # What is kept open would keep the namespace of a host that crashes.
        if what == "kernel":
            with contextlib.closing(record.Table(self._lab.netns(node))) as table:
                seen = record.held(table, *endpoint(self.vip(app)))()
            return Seen(cast.outer(seen.endpoints, all_, node), seen.status)
        with self._asking(node) as asking:
            return lookup.srv(asking, srv_name(self._lab.topology, app))()

    def instances(self, app: str, number: int) -> str:
        """Tell whether so many serve, and every whole node has exactly those."""
        all_ = self.tasks(app)
        serving = cast.serving(all_)
        if len(serving) != number:
            there = ", ".join(task.id for task in serving) or "none"
            return f"by Mesos {len(serving)} of {app} serve: {there}"
        if not number and app not in self._vips:
            return ""
        return self._agree(app, all_)

    def agreement(self) -> str:
        """Tell whether every whole node has exactly those that Mesos says serve, of all apps."""
        told = self._lab.cluster.ask("/apps")
        for app, spec in told.items():
            if problem := self.instances(app, spec["instances"]):
                return problem
        return ""

    def gone(self, target: str) -> str:
        """Tell whether no whole node has a task (or an app's tasks of a node) any more."""
        app = cast.app_of(target)
        all_ = self.tasks(app)
        those = cast.named(all_, target)
        ids = {task.id for task in those}
        others = frozenset[Endpoint]().union(
            *(task.endpoints for task in cast.serving(all_) if task.id not in ids)
        )
        for where, seen in self._all(app, all_):
            for task in those:
                # What came in its place may have its host port.
                if seen.endpoints & {*task.endpoints} - others:
                    return f"{where} still has {task.id}"
        return ""

    def there(self, target: str) -> str:
        """Tell whether every whole node has a task (or an app's tasks of a node)."""
        app = cast.app_of(target)
        all_ = self.tasks(app)
        named = cast.serving(cast.named(all_, target))
        if not named:
            return f"by Mesos {target} does not serve"
        for where, seen in self._all(app, all_):
            should = self._should(where, app, all_)
            for task in named:
                if {*task.endpoints} & should - seen.endpoints:
                    return f"{where} has no {task.id}"
        return ""

    def unchanged(self, seconds: float) -> str:
        """Watch for so long; tell what changed first on a whole node."""
        apps = {app: self.tasks(app) for app in self.apps()}
        until = time.monotonic() + seconds
        before = {(app, where): seen for app in apps for where, seen in self._all(app, apps[app])}
        while time.monotonic() < until:
            time.sleep(PAUSE)
            for app in apps:
                for where, seen in self._all(app, apps[app]):
                    if seen != before.get((app, where), seen):
                        tasks = self.tasks(app)
                        old = before[app, where]
                        return (
                            f"{where} went from {_said(old, tasks)} to {_said(seen, tasks)} "
                            f"{seconds - until + time.monotonic():.1f} s after that"
                        )
        return ""

    def leader(self) -> str:
        """Tell whether a master leads."""
        try:
            self._lab.cluster.leader()
        except LookupError as error:
            return str(error)
        return ""

    def reachable(self, app: str, within: float) -> str:
        """Ask every whole node for the VIP's name until it has it, and connect at once.

        While no instance has passed a check the VIP's own address may refuse that, but packets
        to it must not be lost, nor be without a route.
        """
        told = self._lab.cluster.ask("/apps")
        if app not in told:
            raise LookupError(f"no app {app!r}; there are {', '.join(told) or 'none'}")
        port = cast.vip_port(told[app])
        failed: dict[str, str] = {}

        def first(node: str) -> None:
            until = time.monotonic() + within
            with self._asking(node) as asking:
                look = lookup.address(asking, vip_name(app), *BOTH)
                while (named := look()).status and time.monotonic() < until:
                    time.sleep(0.01)
                failed[node] = named.status and f"{node} says {named.status} of {vip_name(app)}"
                for host, _ in named.endpoints:
                    try:
                        netns.connect(self._lab.netns(node), host, port, AT_ONCE).close()
                    except ConnectionRefusedError:
                        pass
                    except OSError as error:
                        failed[node] = f"{node} named {host}, but nothing is there: {error}"

        threads = [threading.Thread(target=first, args=(node,)) for node in self.whole()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return "; ".join(filter(None, failed.values()))

    def _agree(self, app: str, all_: Sequence[Task]) -> str:
        for where, seen in self._all(app, all_):
            should = self._should(where, app, all_)
            if seen.endpoints != should:
                return f"{where} has {_said(seen, all_)}, not {written(should, all_)}"
        return ""

    def _should(self, where: str, app: str, all_: Sequence[Task]) -> frozenset[Endpoint]:
        """Return what a view of a node, as ``_all`` names it, has to have."""
        what, _, node = where.split()
        serving = (visible(task, what, self.vip(app)) for task in cast.serving(all_))
        near = own(all_, self._lab.topology.zones(), node)
        return preferred(frozenset[Endpoint]().union(*serving), what, near)

    def _all(self, app: str, all_: Sequence[Task]) -> list[tuple[str, Seen]]:
        """Return what each whole node has: ``kernel of agent1`` and what was seen."""
        nodes = self.whole()
        return [
            (f"{what} of {node}", self.look(node, what, app, all_))
            for what in LOOKED_AT
            for node in nodes
        ]

    def _asking(self, node: str) -> contextlib.closing[lookup.Asking]:
        server = self._lab.node(node).address
        return contextlib.closing(lookup.Asking(self._lab.netns(node), server))


def srv_name(topology: Topology, app: str) -> str:
    """Return the name of an app's SRV records.

    Behind bridges that is the one of agents and host ports: that of the tasks has the containers'
    own addresses, which all agents use, as mesos-dns has it.
    """
    below = "slave.mesos" if topology.containers.kind == "bridge" else "mesos"
    return f"_{app}._tcp.marathon.{below}"


def vip_name(app: str) -> str:
    """Return the name of an app's VIP."""
    return f"{app}.{DOMAIN}"


def _said(seen: Seen, all_: Sequence[Task]) -> str:
    return written(seen.endpoints, all_) if seen.endpoints else seen.status or "none"


def _version(address: str) -> int:
    return ipaddress.ip_address(address).version
