"""A real Mesos cluster: a master, agents, and the framework ``marathon``, as processes by name."""

import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any

import msgspec

from pointlab import mesos, netns
from pointlab.process import Processes, wait_for, with_variable


class Host(msgspec.Struct, frozen=True):
    """Where a master or an agent runs; the address is its own."""

    name: str
    address: str
    netns: str = ""


class Cluster:
    """Starts, breaks and asks a cluster; its processes are ``framework`` and its hosts' names.

    Work folders and logs lie in the folder of ``processes``, whose path should be short: agents
    make unix sockets under it.
    """

    def __init__(self, processes: Processes, master: Host, agents: Sequence[Host]) -> None:
        self.processes = processes
        self.master = f"{master.address}:{mesos.MASTER_PORT}"
        """``HOST:PORT`` of the master."""
        self.agents = tuple(agents)
        self._master = master
        self._health = processes.folder / "health"

    def up(self) -> None:
        """Start all of it."""
        for name in (self._master.name, *(agent.name for agent in self.agents), "framework"):
            self.start(name)

    def wait(self) -> None:
        """Wait until the agents and the framework are with the master."""
        active = "master/slaves_active"
        wait_for(lambda: self.metrics().get(active) == len(self.agents), "the agents")
        wait_for(lambda: self.ask("/framework")["id"], "the framework")

    def down(self) -> None:
        """End all of it, tasks included."""
        for agent in self.agents:
            # It leaves its executors behind on SIGTERM; SIGUSR1 takes them along.
            self.processes.send(agent.name, signal.SIGUSR1)
        for agent in self.agents:
            self.processes.stop(agent.name, signal.SIGUSR1)
        self.processes.stop("framework")
        self.processes.stop(self._master.name)
        for pid in with_variable("LAB_HEALTH", str(self._health)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start(self, name: str) -> None:
        """Start one, or start it again where it left off."""
        folder, work = self.processes.folder, self.processes.folder / name
        if name == "framework":
            host = self._master
            command = mesos.framework(host.address, work, self._health, self.master)
        elif name == self._master.name:
            host, command = self._master, mesos.master(self._master.address, folder / name)
        else:
            host = next(agent for agent in self.agents if agent.name == name)
            command = mesos.agent(host.address, work, self._health, self.master)
        self.processes.start(name, command.argv, command.env, host.netns)

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
        """Return the master's metrics."""
        found: dict[str, float] = netns.ask(self._master.netns, self.master, "/metrics/snapshot")
        return found

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the framework; raises OSError when it does not answer with 200."""
        control = f"{self._master.address}:{mesos.CONTROL_PORT}"
        return netns.ask(self._master.netns, control, path, method, body)
