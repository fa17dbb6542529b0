"""Four servers behind two directors, Pointsman and keepalived, and a client before them.

Each is a network namespace. The client and the directors are on one bridge, the directors and the
servers on another. There is no Mesos: by the state file all tasks run all the time.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pointlab.servers.daemon import state, task
from pointlab.shows.health_server import CONTROL, PORT
from pointlab.site import lab as labs
from pointlab.site import network
from pointlab.site.lab import API, POINTSMAN
from pointlab.site.mesos import ROOT
from pointlab.site.netns import request
from pointlab.site.process import Processes, wait_for
from pointlab.site.topology import VIP_RANGES
from pointlab.watch import record
from pointlab.watch.record import Recorder

FOLDER = labs.FOLDER / "checks"
PREFIX = f"{network.PREFIX}checks-"
SWITCH = f"{PREFIX}switch"
KEEPALIVED = ROOT / ".lab/ipvs"
DISK = "64k"
CLIENT = f"{PREFIX}client"
NAME = "web.marathon.l4lb.thisdcos.directory"
VIP_PORT = 80
SCHEDULER = "rr"
"""Each server gets its share, also one that answers nothing: wlc would soon spare it by itself."""
INTERVAL, TIMEOUT = 0.5, 0.4
"""Seconds of both directors: from one check to the next, and for an answer."""
FALL = 3
"""Failures in a row after which either takes a server out; one success brings it back."""

KERNEL = """
rule='-t nat -A POSTROUTING -o back -j MASQUERADE'
iptables $rule 2>/dev/null || iptables-legacy $rule
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1 net.ipv4.vs.expire_nodest_conn=1
"""
"""What keepalived leaves to its administrator; Pointsman does it by itself."""

SHORT_MEMORY = "sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=5"
"""A small kernel's table of connections would be full of ended ones soon."""


class Backend(msgspec.Struct, frozen=True):
    """A server."""

    name: str
    address: str

    @property
    def netns(self) -> str:
        """Name of its namespace."""
        return f"{PREFIX}{self.name}"

    @property
    def disk(self) -> Path:
        """What it writes to: a file system of its own."""
        return FOLDER / f"disk-{self.name}"

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where it serves."""
        return self.address, PORT

    def behave(self, how: str) -> None:
        """Tell it how to: health_server.py."""
        request(self.netns, f"127.0.0.1:{CONTROL}", f"/{how}")


BACKENDS = tuple(Backend(f"web{n}", f"10.31.1.{10 + n}") for n in range(1, 5))


class Director(msgspec.Struct):
    """A load balancer; ``vip`` and ``table`` are known once it runs."""

    name: str
    front: str
    back: str
    vip: str = ""
    table: Recorder | None = None

    @property
    def netns(self) -> str:
        """Name of its namespace."""
        return f"{PREFIX}{self.name}"

    @property
    def live(self) -> Recorder:
        """The real servers that get connections, and when that changed."""
        assert self.table is not None
        return self.table

    @property
    def host(self) -> str:
        """Where clients ask."""
        return f"{self.vip}:{VIP_PORT}"


class Site:
    """All of it."""

    def __init__(self) -> None:
        self.processes = Processes(FOLDER)
        self.ours = Director("pointsman", "10.31.0.1", "10.31.1.1")
        self.peer = Director("keepalived", "10.31.0.2", "10.31.1.2", "10.31.99.1")

    @property
    def directors(self) -> tuple[Director, Director]:
        """Both."""
        return self.ours, self.peer

    def up(self) -> None:
        """Start everything."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._wire()
        for one in BACKENDS:
            one.disk.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(one.disk)]
            subprocess.run(command, check=True)
            self.start_server(one)
        self.start_ours()
        self._start_peer()

    def down(self) -> None:
        """End everything, and leave nothing behind."""
        for one in self.directors:
            if one.table:
                one.table.stop()
        network.down(PREFIX)
        for server in BACKENDS:
            if server.disk.is_mount():
                subprocess.run(["umount", "--lazy", str(server.disk)], check=True)
        shutil.rmtree(FOLDER, ignore_errors=True)

    def start_server(self, one: Backend) -> None:
        """Start a server, and wait until it answers."""
        program = Path(__file__).with_name("health_server.py")
        command = [sys.executable, "-I", str(program), one.name, one.address, str(one.disk)]
        self.processes.start(one.name, command, netns=one.netns)
        wait_for(lambda: request(one.netns, f"{one.address}:{PORT}", "/"), one.name)

    def plug(self, name: str, *, in_: bool) -> None:
        """Plug a machine into the servers' bridge, or out: what it sends then comes nowhere."""
        network.ip(SWITCH, [f"link set b-{name} {'up' if in_ else 'down'}"])

    def restart_ours(self, damping: float) -> None:
        """Have Pointsman forget what it has learned."""
        self.processes.stop(self.ours.name)
        shutil.rmtree(FOLDER / "state")
        self.start_ours(damping)

    def start_ours(self, damping: float = 0.0) -> None:
        """Start Pointsman, and wait until its kernel has all; keepalived damps nothing."""
        labels = {"VIP_0": f"/web:{VIP_PORT}", "VIP_0_HEALTHCHECK": "http /health"}
        labels["VIP_0_SCHEDULER"] = SCHEDULER
        tasks = (task(f"web.{n}", b.address, PORT, labels=labels) for n, b in enumerate(BACKENDS))
        (FOLDER / "state.json").write_bytes(state(*tasks))
        self._config.write_text(f"""
            state_dir = "{FOLDER}/state"
            discovery = {{ file = "{FOLDER}/state.json" }}
            dns = {{ listen = ["127.0.0.1:53"] }}
            vip = {{ node_address = "{self.ours.back}" }}
            [health]
            interval = {INTERVAL}
            timeout = {TIMEOUT}
            edge_interval = {INTERVAL}
            fall = {FALL}
            rise = 1
            grace = 0
            damping = {damping}
        """)
        command = [str(POINTSMAN), "run", "--config", str(self._config)]
        self.processes.start(self.ours.name, command, netns=self.ours.netns)
        ready = f"curl -s {API}/readyz"
        wait_for(lambda: self._in(self.ours, ready) == "ready", self.ours.name)
        self.ours.vip = self._in(self.ours, f"dig +short @127.0.0.1 {NAME}")
        self._follow(self.ours)

    def _start_peer(self) -> None:
        config = FOLDER / "keepalived.conf"
        config.write_text("".join(keepalived_lines(self.peer.vip, BACKENDS)))
        libraries = ":".join(map(str, KEEPALIVED.glob("**/lib/*-linux-gnu")))
        command = [
            "env", f"LD_LIBRARY_PATH={libraries}", str(KEEPALIVED / "usr/sbin/keepalived"),
            "--check", "--dont-fork", f"--use-file={config}",
            f"--pid={FOLDER}/keepalived.pid", f"--checkers_pid={FOLDER}/checkers.pid",
        ]  # fmt: skip
        network.ip(self.peer.netns, [f"addr add {self.peer.vip}/32 dev lo"])
        subprocess.run(["ip", "netns", "exec", self.peer.netns, "sh", "-ec", KERNEL], check=True)
        self.processes.start(self.peer.name, command, netns=self.peer.netns)
        self._follow(self.peer)

    def show_health(self) -> str:
        """Return what `pointsman show health` prints."""
        return self._in(self.ours, f"{POINTSMAN} show health --config {self._config}")

    @property
    def _config(self) -> Path:
        return FOLDER / "pointsman.toml"

    def _follow(self, one: Director) -> None:
        if one.table:
            one.table.stop()
        pid = self.processes.pid(one.name)
        one.table = Recorder(record.kernel(pid, one.vip, VIP_PORT), 0.01)
        wait_for(lambda: len(one.live.state) == len(BACKENDS), f"the kernel of {one.name}")
        self._in(one, SHORT_MEMORY)

    def _in(self, one: Director, command: str) -> str:
        """Return what a command prints on a director."""
        words = ["ip", "netns", "exec", one.netns, *command.split()]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()

    def _wire(self) -> None:
        """Make the namespaces, links, addresses and routes."""
        machines = [CLIENT, *(d.netns for d in self.directors), *(b.netns for b in BACKENDS)]
        network.ip("", [f"netns add {name}" for name in (SWITCH, *machines)])
        for name in machines:
            network.ip(name, ["link set lo up"])
        for side in ("front", "back"):
            network.ip(SWITCH, [f"link add {side} type bridge", f"link set {side} up"])
        self._link("client", "front", "10.31.0.100")
        for director in self.directors:
            self._link(director.name, "front", director.front)
            self._link(director.name, "back", director.back)
        for server in BACKENDS:
            self._link(server.name, "back", server.address)
        network.ip(CLIENT, [
            f"route add {VIP_RANGES[4]} via {self.ours.front}",
            f"route add {self.peer.vip} via {self.peer.front}",
        ])  # fmt: skip
        # So that no port comes again while a director still remembers it.
        ports = "sysctl -qw net.ipv4.ip_local_port_range='1100 64000'"
        subprocess.run(["ip", "netns", "exec", CLIENT, "sh", "-c", ports], check=True)

    @staticmethod
    def _link(name: str, side: str, address: str) -> None:
        port = f"{side[0]}-{name}"
        network.ip(SWITCH, [
            f"link add {port} type veth peer name {side} netns {PREFIX}{name}",
            f"link set {port} master {side} up",
        ])  # fmt: skip
        network.ip(f"{PREFIX}{name}", [f"addr add {address}/24 dev {side}", f"link set {side} up"])


def keepalived_lines(vip: str, servers: Iterable[Backend]) -> Iterable[str]:
    """Yield the configuration that is equal to that of Pointsman."""
    yield "global_defs {\n  script_user root\n}\n"
    yield f"""
virtual_server {vip} {VIP_PORT} {{
  lvs_sched {SCHEDULER}
  lvs_method NAT
  protocol TCP
  delay_loop {INTERVAL}
"""
    for one in servers:
        yield f"""
  real_server {one.address} {PORT} {{
    weight 1
    HTTP_GET {{
      url {{
        path /health
        status_code 200
      }}
      connect_timeout {TIMEOUT}
      retry {FALL - 1}
      delay_before_retry {INTERVAL}
    }}
  }}
"""
    yield "}\n"
