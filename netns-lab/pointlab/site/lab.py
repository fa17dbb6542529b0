"""A lab: its network, its cluster, and Pointsman on its nodes."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import msgspec

from pointlab.site import configured, mesos, netns, network, roles, wiring
from pointlab.site.cluster import Cluster, Host
from pointlab.site.process import Processes, kill_with_variable, wait_for
from pointlab.site.topology import Node, Topology

FOLDER = Path("/run/pointsman-lab")
"""Of all labs; agents make unix sockets in it, so that its path has to be short."""
POINTSMAN = mesos.ROOT / ".venv/bin/pointsman"
API = "127.0.0.1:8123"
DISK = "16m"
IN_LAB, ON_NODE = "LAB_NAME", "LAB_NODE"
"""Variables of all processes of a lab, and of a node (``LAB/NODE``), tasks included."""


class Lab:
    """A lab on this kernel."""

    def __init__(self, name: str, topology: Topology) -> None:
        self.name = name
        self.topology = topology
        self.folder = FOLDER / name
        self.processes = Processes(self.folder, {IN_LAB: name})
        hosts = {one.name: self._host(one) for one in topology.nodes.values()}
        # A process of Mesos is called as its node; the others as what they are.
        zookeepers = [
            msgspec.structs.replace(hosts[one.name], name="zookeeper")
            for one in topology.running("zookeeper")
        ]
        self.cluster = Cluster(
            self.processes,
            [hosts[one.name] for one in topology.running("master")],
            [hosts[one.name] for one in topology.running("agent")],
            zookeepers[0] if zookeepers else None,
            framework=hosts[topology.running("framework")[0].name],
        )

    @classmethod
    def open(cls, name: str = "") -> "Lab":
        """Return the lab of this name, or the only one that is up; raises LookupError."""
        up = names()
        if name not in up if name else len(up) != 1:
            there = f"there are {', '.join(up)}" if up else "netns-lab/lab up starts one"
            raise LookupError(f"no lab {name!r} is up; {there}" if name else f"which lab? {there}")
        name = name or up[0]
        read = (FOLDER / name / "topology.json").read_bytes()
        return cls(name, msgspec.json.decode(read, type=Topology))

    def node(self, name: str) -> Node:
        """Return a node by its name; raises LookupError, which names those that there are."""
        return self.topology.node(name)

    def netns(self, node: str) -> str:
        """Return the name of a node's namespace."""
        return f"{self._prefix}{node}"

    @property
    def resolv_conf(self) -> Path:
        """The file that commands find as their /etc/resolv.conf."""
        return self.folder / "resolv.conf"

    def start(self) -> None:
        """Start everything: network, masters, agents, the framework, Pointsman on every node."""
        if self.name in names() or network.namespaces(self._prefix):
            raise FileExistsError(f"lab {self.name} is up; netns-lab/lab down ends it")
        self.folder.mkdir(parents=True)
        (self.folder / "topology.json").write_bytes(msgspec.json.encode(self.topology))
        network.add([self.netns(wiring.SWITCH), *map(self.netns, self.topology.nodes)])
        network.do(wiring.switch(self.topology), self._prefix)
        for one in self.topology.nodes.values():
            network.do(wiring.node(self.topology, one, self.netns(one.name)), self._prefix)
        # A resolver looks at the first three only; a node without IPv4 asks by IPv6.
        version = 4 if all(one.address_of(4) for one in self.topology.nodes.values()) else 6
        pointsmen = self.topology.running("pointsman")
        listed = (f"nameserver {one.address_of(version)}\n" for one in pointsmen)
        self.resolv_conf.write_text("".join([*listed][-3:]) + "options timeout:1 attempts:3\n")
        self.cluster.up()
        for one in self.topology.running("pointsman"):
            self.start_pointsman(one)
        for one in self.topology.nodes.values():
            self.start_services(one)

    def start_pointsman(self, one: Node) -> None:
        """Start a node's Pointsman."""
        folder = self._pointsman(one)
        state = folder / "state"
        state.mkdir(parents=True, exist_ok=True)
        if not state.is_mount():
            # A disk of its own, which can be filled.
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(state)]
            subprocess.run(mount, check=True)
        config = folder / "pointsman.toml"
        config.write_text(configured.pointsman(self.topology, one, str(state)))
        argv = [str(POINTSMAN), "run", "--config", str(config)]
        self._start(f"pointsman-{one.name}", argv, one)

    def start_services(self, one: Node) -> None:
        """Start what else runs on a node, where it does not yet: for BGP, and Pointsman's peers."""
        config = self._pointsman(one) / "pointsman.toml"
        for service in roles.services(self.topology, one, self.memory(one), config):
            for path, text in service.files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            network.do(
                [wiring.Batch(one.name, sh=(service.sh,) if service.sh else ())], self._prefix
            )
            self._start(service.name, [*service.argv], one)

    def memory(self, one: Node) -> Path:
        """Return a node's folder of files that are gone when it crashes, as its /run."""
        return self.folder / f"run-{one.name}"

    def _pointsman(self, one: Node) -> Path:
        return self.folder / f"pointsman-{one.name}"

    def crash(self, one: Node) -> None:
        """Have a whole machine lose its power: what runs there, its network and its tables."""
        # Nothing gets out any more, or its kernel would close the connections of the killed.
        network.do(wiring.unplugged(one), self._prefix)
        kill_with_variable(ON_NODE, f"{self.name}/{one.name}")
        network.delete(self.netns(one.name))
        shutil.rmtree(self.memory(one), ignore_errors=True)

    def boot(self, one: Node) -> None:
        """Start a machine that crashed, with what its disk has kept."""
        network.add([self.netns(one.name)])
        network.do(wiring.node(self.topology, one, self.netns(one.name)), self._prefix)
        for role, name in (("zookeeper", "zookeeper"), ("framework", "framework")):
            if role in one.runs:
                self.cluster.start(name)
        if {"master", "agent"} & {*one.runs}:
            self.cluster.start(one.name)
        if "pointsman" in one.runs:
            self.start_pointsman(one)
        self.start_services(one)

    def stop(self) -> None:
        """End everything and leave nothing behind."""
        clear(self.name)

    def wait(self) -> None:
        """Wait until the cluster is complete, and Pointsman is ready on every node."""
        self.cluster.wait()
        for one in self.topology.running("pointsman"):
            wait_for(lambda one=one: self.ready(one), f"Pointsman on {one.name}")  # type: ignore[misc]

    def ready(self, one: Node) -> bool:
        """Tell whether a node's Pointsman serves."""
        try:
            return netns.request(self.netns(one.name), API, "/readyz")[0] == 200
        except OSError:
            return False

    def output(self, command: str, node: str) -> str:
        """Return all that a command prints on a node."""
        words = self.command(self.node(node), command.split())
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def command(self, one: Node, argv: list[str]) -> list[str]:
        """Return the command line that runs a command on a node."""
        return network.command(self.netns(one.name), argv, self.resolv_conf)

    @property
    def _prefix(self) -> str:
        return f"{network.PREFIX}{self.name}-"

    def _host(self, one: Node) -> Host:
        env = {IN_LAB: self.name, ON_NODE: f"{self.name}/{one.name}"}
        netns_ = self.netns(one.name)
        return Host(one.name, one.address_of(4), netns_, env, one.region, one.zone)

    def _start(self, name: str, argv: list[str], one: Node) -> None:
        self.processes.start(name, argv, self._host(one).env, self.netns(one.name))


def names() -> list[str]:
    """Return the names of the labs that are up."""
    return sorted(path.parent.name for path in FOLDER.glob("*/topology.json"))


def clear(name: str) -> None:
    """End a lab of which perhaps only a part is left."""
    kill_with_variable(IN_LAB, name)
    network.down(f"{network.PREFIX}{name}-")
    folder = FOLDER / name
    for disk in folder.glob("pointsman-*/state"):
        if disk.is_mount():
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        FOLDER.rmdir()
