"""The cluster of the lab: started, asked, and taken down."""

import shutil
import subprocess
from pathlib import Path

from pointlab import mesos, netns, network
from pointlab.cluster import Cluster, Host
from pointlab.process import Processes, wait_for
from pointlab.topology import AGENTS, CLIENT, MASTER, NODES, Node, pointsman_config

FOLDER = Path("/run/pointsman-lab")
POINTSMAN = mesos.ROOT / ".venv/bin/pointsman"
API = "127.0.0.1:8123"


class Lab:
    """A lab on this kernel."""

    def __init__(self) -> None:
        self.processes = Processes(FOLDER)
        hosts = {one: Host(one.name, one.address, one.netns) for one in NODES}
        agents = [hosts[one] for one in AGENTS]
        self.cluster = Cluster(self.processes, [hosts[MASTER]], agents)

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
        self.cluster.up()
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
        network.down()
        shutil.rmtree(FOLDER, ignore_errors=True)

    def wait_for_pointsman(self) -> None:
        """Wait until Pointsman is ready on every node."""
        for one in NODES:
            if one.pointsman:
                wait_for(lambda one=one: self.ready(one), f"Pointsman on {one.name}")  # type: ignore[misc]

    def ready(self, one: Node) -> bool:
        """Tell whether a node's Pointsman serves."""
        try:
            return netns.request(one.netns, API, "/readyz")[0] == 200
        except OSError:
            return False

    def output(self, command: str, node: str = CLIENT.name) -> str:
        """Return all that a command prints on a node."""
        one = next(n for n in NODES if n.name == node)
        done = subprocess.run(
            self.command(one, command.split()), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def command(self, one: Node, argv: list[str]) -> list[str]:
        """Return the command line that runs a command on a node."""
        return network.command(one, argv, FOLDER / "resolv.conf")
