"""How long answers take at half load, with a large state coming in again and again, and without."""

import os
import subprocess
from pathlib import Path

import _asking
import _servers
from _master import AGENTS, serving
from _servers import Server

PORT = 25_053
RESYNC, NEVER = 1.0, 3_600.0
"""Seconds from one resync to the next; one begins when the one before is done."""

SECONDS = 10
NAMES = 10_000


def measure(folder: Path, tasks: int) -> None:
    """Print percentiles of latency for both, at half of what the server answers at most."""
    _servers.written(folder, tasks, AGENTS)
    kinds = _asking.questions(_servers.zone(folder), NAMES)
    file = _asking.write(folder, {"A": kinds["A"]})["A"]
    rate = 0.0
    with serving(tasks, nice=19) as master:  # as if on a machine of its own
        for what, interval in (("quiet", NEVER), ("one resync after another", RESYNC)):
            discovery = f'masters = ["{master}"], resync_interval = {interval}, timeout = 120.0'
            with _servers.pointsman(folder, PORT, discovery=discovery) as server:
                server.serves()
                _asking.ask_all(server, file)
                if not rate:
                    rate = _asking.run(server, file, "udp", 2, pinned=False).rate / 2
                    print(f"{rate:,.0f} queries a second, half of the most; in milliseconds:")
                    heads = "".join(f"{head:>9}" for head in ("p50", "p99", "p99.9", "worst"))
                    print(f"{'':26}{heads}{'lost':>7}{'of a CPU':>14}")
                before = server.used()
                measured = latencies(server, file, rate)
                report(what, measured, server.used() - before)


def latencies(server: Server, file: Path, rate: float) -> tuple[list[float], int]:
    """Return how long each query took, in seconds, sorted; and how many had no answer."""
    command = [*_asking.command(server.port, file, pinned=False), "-v", "-Q", str(int(rate))]
    if os.geteuid() == 0:
        command = ["nice", "-n", "-10", *command]  # what the client is late is not the server's
    path = file.with_suffix(".log")  # read afterwards, as that takes CPU, too
    with path.open("w") as log:
        subprocess.run([*command, "-l", str(SECONDS)], check=True, stdout=log)
    found, lost = [], 0
    with path.open() as log:
        for line in log:
            if line.startswith("> NOERROR"):
                found.append(float(line.rpartition(" ")[2]))
            lost += line.startswith("> T ")
    return sorted(found), lost


def report(what: str, measured: tuple[list[float], int], spent: float) -> None:
    """Print one row; the CPU tells whether the server had more to do than to answer."""
    found, lost = measured
    row = [found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99, 0.999)]
    cells = "".join(f"{ms:9.3f}" for ms in (*row, found[-1] * 1e3))
    print(f"{what:26}{cells}{lost:7}{spent / SECONDS:14.0%}", flush=True)
