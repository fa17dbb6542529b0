"""How long answers take, with a large state coming in again and again, and without; and Knot's.

Run by scripts/bench dns.
"""

import os
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

import _asking
import _servers
import dnslib
from _master import AGENTS, serving
from _servers import Server

PORT = 25_053
RESYNC, NEVER = 1.0, 3_600.0
"""Seconds from one resync to the next; one begins when the one before is done."""

LIGHT = 20_000
"""Queries a second of a load that leaves the machine some of its CPUs; the other is half of the
most."""

SECONDS = 10
NAMES = 10_000
EVERY = 500_000
"""Nanoseconds from one query that is timed to the next, beside those that are the load."""

HEAD = f"{'':26}{'load':>8} {'':10}" + "".join(
    f"{head:>{width}}"
    for head, width in (
        ("p50", 9),
        ("p99", 9),
        ("p99.9", 9),
        ("worst", 9),
        ("lost", 7),
        ("CPU", 12),
    )
)

LOST = 2_000_000_000
"""Nanoseconds after which no answer is expected any more."""

SO_TIMESTAMPNS = 35
"""Of Linux (socket(7)); Python has no name for it."""


def measure(folder: Path, tasks: int) -> None:
    """Print percentiles of latency, of Pointsman and of Knot beside it, for both.

    Under a light load and half of the most. Knot reads nothing: how much later its answers are
    beside resyncs is the machine's.
    """
    _servers.written(folder, tasks, AGENTS)
    asked = _asking.questions(_servers.zone(folder), NAMES)["A"]
    file = _asking.write(folder, {"A": asked})["A"]
    rates = [LIGHT]
    with serving(tasks, nice=19) as master, _servers.knot(folder, PORT + 1) as knot:
        for what, interval in (("quiet", NEVER), ("one resync after another", RESYNC)):
            discovery = f'masters = ["{master}"], resync_interval = {interval}, timeout = 120.0'
            with _servers.pointsman(folder, PORT, discovery=discovery) as ours:
                for server in (ours, knot):
                    server.serves()
                    _asking.ask_all(server, file)
                if len(rates) == 1:
                    rates.append(int(_asking.run(ours, file, "udp", 2, pinned=False).rate / 2))
                    print(f"tasks come from a master of nice 19; milliseconds\n{HEAD}")
                for rate in rates:
                    for server in (ours, knot):
                        load(server, file, asked, what, rate)


def load(server: Server, file: Path, asked: list[str], what: str, rate: int) -> None:
    """Print how long a server's answers take under a load of so many queries a second."""
    before = server.used()
    command = [*_asking.command(server.port, file, pinned=False), "-Q", str(rate)]
    command += ["-l", str(SECONDS + 1)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL):
        found, lost = latencies(server.port, asked)
    spent = server.used() - before
    row = [found[int(len(found) * share)] for share in (0.5, 0.99, 0.999)]
    cells = "".join(f"{ms:9.3f}" for ms in (*row, found[-1]))
    print(f"{what:26}{rate:8,} {server.name:10}{cells}{lost:7}{spent / SECONDS:12.0%}", flush=True)


def latencies(port: int, asked: list[str]) -> tuple[list[float], int]:
    """Return how long queries took, in milliseconds, sorted; and how many had no answer.

    An answer's time is that of its packet, by the kernel: how late its reader is does not count.
    Queries are sent by the clock, whether those before have their answers or not.
    """
    queries = [dnslib.DNSRecord.question(line.split()[0]).pack()[2:] for line in asked]
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    sent, found = dict[int, int](), []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        due = time.time_ns()
        end, number = due + SECONDS * 10**9, 0
        while due < end or (sent and time.time_ns() < end + LOST):
            if due < end and time.time_ns() >= due:
                number, due = (number + 1) % 65_536, due + EVERY
                query = number.to_bytes(2) + queries[number % len(queries)]
                sent[number] = time.time_ns()
                client.send(query)
            late = max(0, due - time.time_ns()) if due < end else EVERY
            while select.select([client], [], [], late / 1e9)[0]:
                answer, [(_, _, stamp)], _, _ = client.recvmsg(512, 64)
                seconds, rest = struct.unpack("@ll", stamp)
                began = sent.pop(int.from_bytes(answer[:2]))
                found.append((seconds * 10**9 + rest - began) / 1e6)
                late = 0
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    return sorted(found), len(sent)
