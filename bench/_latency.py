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

LOST = 2_000_000_000
"""Nanoseconds after which no answer is expected any more."""

SO_TIMESTAMPNS = 35
"""Of Linux (socket(7)); Python has no name for it."""


def measure(folder: Path, tasks: int) -> None:
    """Print percentiles of latency of both and of Knot, under a light load and half of the most."""
    _servers.written(folder, tasks, AGENTS)
    asked = _asking.questions(_servers.zone(folder), NAMES)["A"]
    file = _asking.write(folder, {"A": asked})["A"]
    rates = [LIGHT]
    with serving(tasks, nice=19) as master:  # as if on a machine of its own
        key = f'masters = ["{master}"], timeout = 120.0, resync_interval'
        quiet = _servers.pointsman(folder, PORT, discovery=f"{key} = {NEVER}")
        busy = _servers.pointsman(folder, PORT, discovery=f"{key} = {RESYNC}")
        knot = _servers.knot(folder, PORT)
        for what, run in (("quiet", quiet), ("one resync after another", busy), ("Knot", knot)):
            with run as server:
                server.serves()
                _asking.ask_all(server, file)
                if len(rates) == 1:
                    most = _asking.run(server, file, "udp", 2, pinned=False).rate
                    rates.append(int(most / 2))
                    heads = "".join(f"{head:>9}" for head in ("p50", "p99", "p99.9", "worst"))
                    print(f"{'milliseconds':26}{'load':>8}{heads}{'lost':>7}{'of a CPU':>14}")
                for rate in rates:
                    before = server.used()
                    load = [*_asking.command(PORT, file, pinned=False), "-Q", str(rate)]
                    load += ["-l", str(SECONDS + 1)]
                    with subprocess.Popen(load, stdout=subprocess.DEVNULL):
                        measured = latencies(PORT, asked)
                    report(f"{what:26}{rate:8,}", measured, server.used() - before)


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


def report(what: str, measured: tuple[list[float], int], spent: float) -> None:
    """Print one row; the CPU tells whether the server had more to do than to answer."""
    found, lost = measured
    row = [found[int(len(found) * share)] for share in (0.5, 0.99, 0.999)]
    cells = "".join(f"{ms:9.3f}" for ms in (*row, found[-1]))
    print(f"{what}{cells}{lost:7}{spent / SECONDS:14.0%}", flush=True)
