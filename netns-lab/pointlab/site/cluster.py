"""A real Mesos cluster: masters, agents, and the framework ``marathon``, as processes by name."""

import base64
import contextlib
import signal
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pointlab.site import mesos, netns
from pointlab.site.process import Processes, kill_with_variable, wait_for


class Host(msgspec.Struct, frozen=True):
    """Where a master or an agent runs; the address is its own."""

    name: str
    address: str
    netns: str = ""
    env: dict[str, str] = {}
    """Put into the environment of what runs there."""
    region: str = ""
    zone: str = ""


class Cluster:
    """Starts, breaks and asks a cluster; its processes are ``framework`` and its hosts' names.

    Work folders and logs lie in the folder of ``processes``, whose path should be short: agents
    make unix sockets under it.
    """

    def __init__(
        self,
        processes: Processes,
        masters: Sequence[Host],
        agents: Sequence[Host],
        zookeeper: Host | None = None,
        credential: str = "",
        framework: Host | None = None,
    ) -> None:
        """Several masters, an odd number, need a ZooKeeper to elect the one that leads.

        ``credential``, ``principal:secret``, is demanded of all who ask the masters. The
        framework runs beside the first master if nothing else is said.
        """
        self.processes = processes
        self.masters = tuple(f"{master.address}:{mesos.MASTER_PORT}" for master in masters)
        """``HOST:PORT`` of each master."""
        self.agents = tuple(agents)
        self.zookeeper = f"{zookeeper.address}:{mesos.ZOOKEEPER_PORT}" if zookeeper else ""
        """``HOST:PORT`` of ZooKeeper."""
        self._credential = credential
        basic = base64.b64encode(credential.encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}"} if credential else {}
        self._masters = tuple(masters)
        self._zookeeper = zookeeper
        self._framework = framework or self._masters[0]
        self._health = processes.folder / "health"

    def up(self) -> None:
        """Start all of it."""
        if self._zookeeper:
            self.start(self._zookeeper.name)
            wait_for(self._zookeeper_answers, "ZooKeeper")
        for host in (*self._masters, *self.agents):
            self.start(host.name)
        self.start("framework")

    def wait(self) -> None:
        """Wait until the agents and the framework are with the master."""
        active = "master/slaves_active"
        wait_for(lambda: self.metrics()[active] == len(self.agents), "the agents")
        wait_for(lambda: self.ask("/framework")["id"], "the framework")

    def down(self) -> None:
        """End all of it, tasks included."""
        for agent in self.agents:
            # It leaves its executors behind on SIGTERM; SIGUSR1 takes them along.
            self.processes.send(agent.name, signal.SIGUSR1)
        for agent in self.agents:
            self.processes.stop(agent.name, signal.SIGUSR1)
        self.processes.stop("framework")
        for host in (*self._masters, *filter(None, [self._zookeeper])):
            self.processes.stop(host.name)
        kill_with_variable("LAB_HEALTH", str(self._health))

    def start(self, name: str) -> None:
        """Start one, or start it again where it left off."""
        work = self.processes.folder / name
        zookeeper = f"zk://{self.zookeeper}/mesos" if self._zookeeper else ""
        hosts = {host.name: host for host in (*self._masters, *self.agents)}
        if self._zookeeper:
            hosts[self._zookeeper.name] = self._zookeeper
        host = self._framework if name == "framework" else hosts[name]
        if host is self._zookeeper:
            command = mesos.zookeeper(host.address, work)
        elif name == "framework":
            command = mesos.framework(host.address, work, self._health, ",".join(self.masters))
        elif host in self._masters:
            quorum = len(self._masters) // 2 + 1
            command = mesos.master(
                host.address, work,
                zookeeper=zookeeper, quorum=quorum, credential=self._credential,
                region=host.region, zone=host.zone,
            )  # fmt: skip
        else:
            command = mesos.agent(
                host.address, work, self._health, zookeeper or self.masters[0],
                region=host.region, zone=host.zone, env=host.env,
            )  # fmt: skip
        self.processes.start(name, command.argv, {**host.env, **command.env}, host.netns)

    def leader(self) -> Host:
        """Return the host of the leading master; raises LookupError while there is none."""
        for host, leads in self.elected():
            if leads:
                return host
        raise LookupError("no master leads")

    def elected(self, without: Container[str] = ()) -> Iterator[tuple[Host, bool]]:
        """Tell of each master that answers whether it says that it leads; skip some by name."""
        for host, master in zip(self._masters, self.masters, strict=True):
            if host.name not in without:
                with contextlib.suppress(OSError):
                    found = self._ask_master(host, master, "/metrics/snapshot")
                    yield host, found["master/elected"] == 1.0

    def crash(self, name: str) -> None:
        """End one by SIGKILL; the executors of an agent, and their tasks, go on."""
        self.processes.stop(name, signal.SIGKILL)

    def pause(self, name: str) -> None:
        """Stop one where it is (SIGSTOP)."""
        self.processes.send(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused one go on."""
        self.processes.send(name, signal.SIGCONT)

    def launch(self, task_id: str, **spec: Any) -> None:
        """Start a task; the head of netns-lab/mesos/framework.py has the fields."""
        self.ask("/tasks", "POST", {"id": task_id, **spec})

    def launch_many(self, specs: Sequence[Mapping[str, Any]]) -> None:
        """Start many tasks; each has its ``id`` beside the fields of ``launch``."""
        self.ask("/tasks", "POST", list(specs))

    def kill_many(self, task_ids: Iterable[str]) -> None:
        """End many tasks through the framework."""
        self.ask("/tasks", "DELETE", list(task_ids), timeout=60.0)

    def acknowledge(self, on: bool) -> None:
        """Let the framework acknowledge status updates, or hold that back from now on.

        A master is told of only one update of a task that was not acknowledged.
        """
        self.ask("/acknowledge", "PUT", on)

    def teardown(self) -> None:
        """End the framework with all its tasks; started again it is another one."""
        self.ask("/teardown", "POST")
        self.processes.stop("framework")

    def retire(self, name: str) -> None:
        """Let an agent end with its tasks and leave the cluster (SIGUSR1)."""
        self.processes.stop(name, signal.SIGUSR1)

    def kill(self, task_id: str) -> None:
        """End a task through the framework."""
        self.ask(f"/tasks/{task_id}", "DELETE")

    def health(self, task_id: str, health: bool | None) -> None:
        """Let a task's executor report this from now on; None for what its check says."""
        self.ask(f"/tasks/{task_id}/health", "PUT", health)

    def keep(self, app: str, instances: int, **spec: Any) -> None:
        """Run an app at this number of instances."""
        self.ask(f"/apps/{app}", "PUT", {"instances": instances, **spec})

    def tasks(self) -> dict[str, Any]:
        """Return what the framework was told of each task, by id."""
        found: dict[str, Any] = self.ask("/tasks")
        return found

    def running(self, app: str = "") -> dict[str, Any]:
        """Return the running tasks, of an app if named, by their id."""
        return {
            id_: task
            for id_, task in self.tasks().items()
            if task["state"] == "TASK_RUNNING" and app in ("", task["app"])
        }

    def metrics(self) -> dict[str, float]:
        """Return the leading master's metrics; raises LookupError while none leads."""
        host = self.leader()
        address = f"{host.address}:{mesos.MASTER_PORT}"
        found: dict[str, float] = self._ask_master(host, address, "/metrics/snapshot")
        return found

    def operator(self, call: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of the leading master to a call of its operator API.

        GET_STATE is short for ``{"type": "GET_STATE"}``. Raises OSError when it does not answer
        with 200, and LookupError while none leads.
        """
        host = self.leader()
        address = f"{host.address}:{mesos.MASTER_PORT}"
        body = {"type": call} if isinstance(call, str) else call
        found: dict[str, Any] = self._ask_master(host, address, "/api/v1", "POST", body)
        return found

    def _ask_master(
        self, host: Host, address: str, path: str, method: str = "GET", body: Any = None
    ) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return netns.ask(
            host.netns, address, path, method, body, headers={**headers, **self._headers}
        )

    def ask(self, path: str, method: str = "GET", body: Any = None, timeout: float = 5.0) -> Any:
        """Ask the framework; raises OSError when it does not answer with 200."""
        host = self._framework
        address = f"{host.address}:{mesos.CONTROL_PORT}"
        return netns.ask(host.netns, address, path, method, body, timeout=timeout)

    def _zookeeper_answers(self) -> bool:
        one = self._zookeeper
        assert one is not None
        netns.connect(one.netns, one.address, mesos.ZOOKEEPER_PORT, 1.0).close()
        return True
