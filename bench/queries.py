"""Answering DNS beside Knot and NSD: CPU of a query, and latency while a large state comes in."""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dnslib
import states
from _measure import versus

SERVERS = Path(__file__).parents[1] / ".lab/dns/usr/sbin"
POINTSMAN = Path(sys.executable).with_name("pointsman")
TICK = os.sysconf("SC_CLK_TCK")
AGENTS = 500
CLIENTS = 8
PER_CONNECTION = 100
"""Queries on their way at once, over all clients."""


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000, help="tasks in the zone")
    parser.add_argument("--names", type=int, default=10_000, help="names that are asked for")
    parser.add_argument("--seconds", type=int, default=5, help="length of each run")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each; the least CPU counts")
    parser.add_argument("--skip-tcp", action="store_true")
    parser.add_argument("--latency", action="store_true", help="only latency, during resyncs")
    parser.add_argument("--latency-tasks", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pointsman-bench.") as folder:
        if options.latency:
            import _latency

            _latency.measure(Path(folder), options.latency_tasks, options.seconds)
        else:
            compare(Path(folder), options)
    return 0


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Print what each server needs for each kind of query."""
    records = zone(folder, options.tasks, 22_053)
    kinds = questions(records, options.names)
    for kind, lines in kinds.items():
        (folder / kind).write_text("\n".join(lines) + "\n")
    print(f"{options.tasks:,} tasks, {len(records):,} records; {options.names:,} names asked for")
    print("microseconds of CPU per query (and thousands of queries a second, on this machine)\n")
    with ExitStack() as stack:
        servers = {
            "Knot": stack.enter_context(knot(folder, 20_053)),
            "NSD": stack.enter_context(nsd(folder, 21_053)),
            "Pointsman": stack.enter_context(pointsman(folder, 22_053)),
        }
        print(f"{'':24}" + "".join(f"{name:>16}" for name in servers) + "   Pointsman to Knot")
        for transport in ("udp",) if options.skip_tcp else ("udp", "tcp"):
            for kind in kinds:
                cost = {}
                row = ""
                for name, (port, pids) in servers.items():
                    runs = [
                        run(folder / kind, transport, port, pids(), options.seconds)
                        for _ in range(options.rounds)
                    ]
                    cost[name], rate = min(runs)
                    row += f"{cost[name]:9.2f} ({rate / 1e3:3.0f})"
                ratio = cost["Pointsman"] / cost["Knot"]
                ours = cost.pop("Pointsman")
                versus(f"{transport.upper()}, {kind}", "µs of CPU a query", ours, cost)
                print(f"{transport} {kind:20}{row}{ratio:12.2f}x", flush=True)


def run(
    file: Path, transport: str, port: int, pids: Sequence[int], seconds: int
) -> tuple[float, float]:
    """Send queries for some seconds; return microseconds of CPU for each, and their rate."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(file), "-m", transport]
    command += ["-c", str(CLIENTS), "-q", str(PER_CONNECTION), "-t", "2"]
    subprocess.run([*command, "-l", "1"], check=True, capture_output=True)  # all is learnt
    before = used(pids)
    printed = subprocess.run(
        [*command, "-l", str(seconds)], check=True, capture_output=True, text=True
    ).stdout
    spent = used(pids) - before
    found = {
        key.strip(): value.split()[0]
        for key, colon, value in (line.partition(":") for line in printed.splitlines())
        if colon and value.split()
    }
    completed = int(found["Queries completed"])
    lost = int(found["Queries lost"])
    if lost > completed / 100:
        print(f"  {lost:,} of {completed:,} queries were lost", file=sys.stderr)
    return spent / completed * 1e6, float(found["Queries per second"])


def used(pids: Sequence[int]) -> float:
    """Return seconds of CPU of processes, with all their threads (proc(5))."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def questions(records: Sequence[dict[str, str]], count: int) -> dict[str, list[str]]:
    """Return what is asked, by kind, as dnsperf reads it."""
    chance = random.Random(1)
    by_type = {
        type_: sorted({r["name"] for r in records if r["type"] == type_}) for type_ in ("A", "SRV")
    }
    picked = {
        type_: chance.choices(names, k=count) if len(names) < count else chance.sample(names, count)
        for type_, names in by_type.items()
    }

    def mixed(name: str) -> str:
        return "".join(c.upper() if chance.random() < 0.5 else c for c in name)

    return {
        "A": [f"{name} A" for name in picked["A"]],
        "SRV": [f"{name} SRV" for name in picked["SRV"]],
        "AAAA (mostly NODATA)": [f"{name} AAAA" for name in picked["A"]],
        "NXDOMAIN": [f"x{chance.getrandbits(48):x}.marathon.mesos. A" for _ in range(count)],
        "A, case mixed": [f"{mixed(name)} A" for name in picked["A"]],
    }


# The zone, and who serves it.


def zone(folder: Path, tasks: int, port: int) -> list[dict[str, str]]:
    """Write a state, a configuration and the zone file of both; return the records."""
    (folder / "state").write_bytes(states.v1(tasks, AGENTS))
    (folder / "pointsman.toml").write_text(configuration(folder, port, f'file = "{folder}/state"'))
    command = [str(POINTSMAN), "show", "zone", "--json", "--state", str(folder / "state")]
    shown = subprocess.run(
        [*command, "--config", str(folder / "pointsman.toml")],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    records: list[dict[str, str]] = json.loads(shown)["records"]
    lines = [f"{r['name']} {r['ttl']} {r['type']} {r['data']}" for r in records]
    lines = [line for line in lines if " SOA " not in line]
    soa = "mesos. 60 SOA ns1.mesos. root.ns1.mesos. 1 60 600 86400 60"
    ns = [] if any(" NS " in line for line in lines) else ["mesos. 60 NS ns1.mesos."]
    (folder / "mesos.zone").write_text("\n".join([soa, *ns, *lines]) + "\n")
    return [r for r in records if r["name"].endswith(".mesos.")]


def configuration(folder: Path, port: int, discovery: str) -> str:
    """Return a configuration that answers names alone."""
    return f"""state_dir = "{folder}/run"
discovery = {{ {discovery} }}
dns = {{ listen = ["127.0.0.1:{port}"], dcos = [] }}
vip = {{ enabled = false }}
http = {{ listen = "" }}
"""


@contextmanager
def pointsman(folder: Path, port: int) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    with started([POINTSMAN, "run", "--config", folder / "pointsman.toml"], folder, port) as found:
        yield found


@contextmanager
def knot(folder: Path, port: int) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    (folder / "knot.conf").write_text(f"""
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}/knot"
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
    with started([SERVERS / "knotd", "-c", folder / "knot.conf"], folder, port) as found:
        yield found


@contextmanager
def nsd(folder: Path, port: int) -> Iterator[tuple[int, Callable[[], list[int]]]]:
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
    with started([SERVERS / "nsd", "-d", "-c", folder / "nsd.conf"], folder, port) as found:
        yield found


@contextmanager
def started(
    command: Sequence[str | Path], folder: Path, port: int
) -> Iterator[tuple[int, Callable[[], list[int]]]]:
    """Run a server until the end; give its port, and who its processes are."""
    path = folder / f"{Path(command[0]).name}.log"
    log = path.open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        if not serves(port, process):
            raise SystemExit(f"{path.stem} does not answer: {path.read_text()[-2000:]}")
        yield port, lambda: [process.pid, *children(process.pid)]
    finally:
        process.terminate()
        process.wait()
        log.close()


def serves(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a server has the zone; return False when it ends or takes too long."""
    query = dnslib.DNSRecord.question("mesos", "SOA").pack()
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, suppress(OSError):
            client.settimeout(1)
            client.connect(("127.0.0.1", port))
            client.send(query)
            if client.recv(512)[7]:  # the number of answers
                return True
        time.sleep(0.1)
    return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*found, *(grandchild for child in found for grandchild in children(child))]


if __name__ == "__main__":
    sys.exit(main())
