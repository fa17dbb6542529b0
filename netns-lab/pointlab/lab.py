"""The cluster of the lab: started, asked, and taken down."""

import shutil
import signal
from pathlib import Path
from typing import Any

from pointlab import mesos, netns, network
from pointlab.process import Processes, wait_for
from pointlab.topology import AGENTS, CLIENT, MASTER, NODES, Node, pointsman_config

FOLDER = Path("/run/pointsman-lab")
POINTSMAN = mesos.ROOT / ".venv/bin/pointsman"
API = "127.0.0.1:8123"


class Lab:
    """A lab on this kernel."""

    def __init__(self) -> None:
        self.processes = Processes(FOLDER)
        self.health = FOLDER / "health"

    @property
    def is_up(self) -> bool:
        """Tell whether there is one."""
        return bool(network.namespaces())

    def start(self) -> None:
        """Start everything: network, masters, agents, the framework, Pointsman on every node."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        network.up()
        nameservers = [f"nameserver {n.address}\n" for n in NODES if n.pointsman]
        (FOLDER / "resolv.conf").write_text("".join(nameservers) + "options timeout:1 attempts:3\n")
        masters = f"{MASTER.address}:{mesos.MASTER_PORT}"
        self._mesos("master", MASTER, mesos.master(MASTER.address, FOLDER / "master"))
        for agent in AGENTS:
            work = FOLDER / agent.name
            self._mesos(agent.name, agent, mesos.agent(agent.address, work, self.health, masters))
        work = FOLDER / "framework"
        command = mesos.framework(MASTER.address, work, self.health, masters)
        self._mesos("framework", MASTER, command)
        for one in NODES:
            if one.pointsman:
                self.start_pointsman(one)

    def start_pointsman(self, one: Node) -> None:
        """Start a node's Pointsman."""
        folder = FOLDER / f"pointsman-{one.name}"
        folder.mkdir(exist_ok=True)
        config = folder / "pointsman.toml"
        config.write_text(pointsman_config(one, str(folder)))
        argv = [str(POINTSMAN), "run", "--config", str(config)]
        self.processes.start(f"pointsman-{one.name}", argv, netns=one.netns)

    def stop(self) -> None:
        """End everything and leave nothing behind."""
        for name in reversed(self.processes.names()):
            # An agent leaves its executors behind on SIGTERM; SIGUSR1 takes them along.
            agent = name.startswith("agent")
            self.processes.send(name, signal.SIGUSR1 if agent else signal.SIGTERM)
        network.down()
        shutil.rmtree(FOLDER, ignore_errors=True)

    def wait_for_mesos(self) -> None:
        """Wait until the agents and the framework are with the master."""
        wait_for(lambda: self._metrics().get("master/slaves_active") == len(AGENTS), "the agents")
        wait_for(lambda: self.framework("/framework")["id"], "the framework")

    def wait_for_pointsman(self) -> None:
        """Wait until Pointsman is ready on every node."""
        for one in NODES:
            if one.pointsman:
                wait_for(lambda one=one: self.ready(one), f"Pointsman on {one.name}")  # type: ignore[misc]

    def ready(self, one: Node) -> bool:
        """Tell whether a node's Pointsman serves; raises OSError when it can't be asked."""
        return netns.request(one.netns, API, "/readyz")[0] == 200

    def framework(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the framework."""
        control = f"{MASTER.address}:{mesos.CONTROL_PORT}"
        return netns.ask(MASTER.netns, control, path, method, body)

    def running(self, app: str) -> dict[str, Any]:
        """Return the running tasks of an app by their id."""
        tasks = self.framework("/tasks")
        return {
            id_: t for id_, t in tasks.items() if t["app"] == app and t["state"] == "TASK_RUNNING"
        }

    def command(self, one: Node, argv: list[str]) -> list[str]:
        """Return the command line that runs a command on a node."""
        return network.command(one, argv, FOLDER / "resolv.conf")

    def _metrics(self) -> dict[str, float]:
        address = f"{MASTER.address}:{mesos.MASTER_PORT}"
        found: dict[str, float] = netns.ask(CLIENT.netns, address, "/metrics/snapshot")
        return found

    def _mesos(self, name: str, one: Node, command: mesos.Command) -> None:
        self.processes.start(name, command.argv, command.env, one.netns)
