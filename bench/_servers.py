"""A zone as Pointsman makes it of a state, and the servers that answer from it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dnslib
import states

SERVERS = Path(__file__).parents[1] / ".lab/dns/usr/sbin"
POINTSMAN = Path(sys.executable).with_name("pointsman")
AGENTS = 500
MASTER = "127.0.0.1:19050"
"""Where mesos-dns is told that the master is."""

Record = dict[str, str]


class Server:
    """A server that was started, with all its processes and threads."""

    def __init__(self, name: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name, self.port = name, port
        self._process, self._log = process, log

    def serves(self) -> None:
        """Wait until it has the zone; raises SystemExit when it ends or takes too long."""
        query = dnslib.DNSRecord.question("mesos", "SOA").pack()
        end = time.monotonic() + 120
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, suppress(OSError):
                client.settimeout(1)
                client.connect(("127.0.0.1", self.port))
                client.send(query)
                if client.recv(512)[7]:  # the number of answers
                    return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer: {self._log.read_text()[-2000:]}")

    def used(self) -> float:
        """Return seconds of CPU so far, of all threads (the first field of schedstat)."""
        return sum(int((t / "schedstat").read_text().split()[0]) for t in self._threads()) / 1e9

    def memory(self) -> int:
        """Return octets of memory, of what is shared its share (Pss)."""
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._pids()]
        return sum(int(text.partition("\nPss:")[2].split()[0]) for text in rollups) * 1024

    def pin(self, cpus: set[int]) -> None:
        """Have all threads run on these CPUs alone."""
        for thread in self._threads():
            os.sched_setaffinity(int(thread.name), cpus)

    def _pids(self) -> list[int]:
        return [self._process.pid, *children(self._process.pid)]

    def _threads(self) -> Iterator[Path]:
        for pid in self._pids():
            yield from Path(f"/proc/{pid}/task").iterdir()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(grandchild for child in found for grandchild in children(child))]


@contextmanager
def started(
    name: str, command: Sequence[str | Path], folder: Path, port: int = 0
) -> Iterator[Server]:
    """Run a server until the end; whether it serves yet is for the caller to ask."""
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Server(name, port, process, path)
        finally:
            process.terminate()
            process.wait()


# The zone.


def written(folder: Path, tasks: int, agents: int = AGENTS) -> None:
    """Write the state that the zone is made from."""
    (folder / "state").write_bytes(states.v1(tasks, agents))


def zone(folder: Path) -> list[Record]:
    """Write the zone file, of the records that Pointsman has; return them."""
    (folder / "zone.toml").write_text(configuration(folder, 53, f'file = "{folder}/state"'))
    command = [str(POINTSMAN), "show", "zone", "--json", "--state", str(folder / "state")]
    shown = subprocess.run(
        [*command, "--config", str(folder / "zone.toml")], check=True, stdout=subprocess.PIPE
    ).stdout
    records: list[Record] = json.loads(shown)["records"]
    lines = [f"{r['name']} {r['ttl']} {r['type']} {r['data']}" for r in records]
    lines = [line for line in lines if " SOA " not in line]
    soa = "mesos. 60 SOA ns1.mesos. root.ns1.mesos. 1 60 600 86400 60"
    ns = [] if any(" NS " in line for line in lines) else ["mesos. 60 NS ns1.mesos."]
    (folder / "mesos.zone").write_text("\n".join([soa, *ns, *lines]) + "\n")
    return [r for r in records if r["name"].endswith(".mesos.")]


# Who serves it.


def configuration(folder: Path, port: int, discovery: str, dns: str = "") -> str:
    """Return a configuration that answers names alone, with one more key of ``dns``."""
    return f"""state_dir = "{folder}/run-{port}"
discovery = {{ {discovery} }}
vip = {{ enabled = false }}
http = {{ listen = "" }}
[dns]
listen = ["127.0.0.1:{port}"]
dcos = []
{dns}
"""


@contextmanager
def pointsman(
    folder: Path, port: int, *, name: str = "Pointsman", discovery: str = "", dns: str = ""
) -> Iterator[Server]:
    path = folder / f"{name}.toml"
    discovery = discovery or f'file = "{folder}/state"'
    path.write_text(configuration(folder, port, discovery, dns))
    with started(name, [POINTSMAN, "run", "--config", path], folder, port) as server:
        yield server


@contextmanager
def knot(folder: Path, port: int, *, name: str = "Knot", workers: int = 1) -> Iterator[Server]:
    path = folder / f"{name}.conf"
    path.write_text(f"""
server:
  rundir: "{folder}"
  pidfile: "{folder}/{name}.pid"
  listen: 127.0.0.1@{port}
  udp-workers: {workers}
  tcp-workers: 1
  background-workers: 1
control:
  listen: "{folder}/{name}.sock"
database:
  storage: "{folder}/{name}.db"
template:
  - id: default
    storage: "{folder}"
    semantic-checks: off
zone:
  - domain: mesos
    file: mesos.zone
    zonefile-sync: -1
    journal-content: none
""")
    with started(name, [SERVERS / "knotd", "-c", path], folder, port) as server:
        yield server


@contextmanager
def nsd(folder: Path, port: int) -> Iterator[Server]:
    (folder / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  database: ""
  xfrdfile: ""
  xfrdir: "{folder}"
  zonelistfile: "{folder}/nsd.zones"
  rrl-ratelimit: 0
  tcp-count: 100
remote-control:
  control-enable: no
zone:
  name: mesos
  zonefile: mesos.zone
""")
    with started("NSD", [SERVERS / "nsd", "-d", "-c", folder / "nsd.conf"], folder, port) as server:
        yield server


@contextmanager
def mesos_dns(folder: Path, port: int, binary: str, tasks: int) -> Iterator[Server]:
    """Run mesos-dns beside a master that has the same tasks, and no other state after."""
    master = folder / "master/master"
    master.mkdir(parents=True)
    leader = states.LEADER.encode()
    state = states.v0(tasks, AGENTS).replace(b"master@" + leader, b"master@" + MASTER.encode())
    (master / "state").write_bytes(state)
    settings = {
        "masters": [MASTER],
        "zk": "",
        "refreshSeconds": 3_600,
        "ttl": 60,
        "domain": "mesos",
        "listener": "127.0.0.1",
        "port": port,
        "httpOn": False,
        "externalOn": False,
        "IPSources": ["netinfo", "mesos", "host"],
    }
    (folder / "mesos-dns.json").write_text(json.dumps(settings))
    host, _, master_port = MASTER.partition(":")
    where = ["--bind", host, "-d", str(master.parent), master_port]
    with started("master", [sys.executable, "-m", "http.server", *where], folder):
        for _ in range(100):
            with suppress(OSError), socket.create_connection((host, int(master_port)), 1):
                break
            time.sleep(0.1)
        command = [binary, "-config", str(folder / "mesos-dns.json")]
        with started("mesos-dns", command, folder, port) as server:
            yield server
