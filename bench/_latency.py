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
    with serving(tasks) as master:
        for what, interval in (("quiet", NEVER), ("one resync after another", RESYNC)):
            discovery = f'masters = ["{master}"], resync_interval = {interval}, timeout = 120.0'
            with _servers.pointsman(folder, PORT, discovery=discovery) as server:
                server.serves()
                _asking.ask_all(server, file)
                if not rate:
                    rate = _asking.run(server, file, "udp", 2, pinned=False).rate / 2
                    print(f"{rate:,.0f} queries a second, half of the most; in milliseconds:")
                    print(f"{'':26}{'p50':>9}{'p99':>9}{'p99.9':>9}{'worst':>9}{'lost':>7}")
                report(what, latencies(server, file, rate))


def latencies(server: Server, file: Path, rate: float) -> tuple[list[float], int]:
    """Return how long each query took, in seconds, sorted; and how many had no answer."""
    command = [*_asking.command(server.port, file, pinned=False), "-v", "-Q", str(int(rate))]
    if os.geteuid() == 0:
        command = ["nice", "-n", "-10", *command]  # how long the client waits is not the question
    printed = subprocess.run(
        [*command, "-l", str(SECONDS)], check=True, capture_output=True, text=True
    ).stdout
    found = [
        float(line.rpartition(" ")[2]) for line in printed.splitlines() if line.startswith("> NO")
    ]
    return sorted(found), printed.count("> T ")


def report(what: str, measured: tuple[list[float], int]) -> None:
    """Print one row."""
    found, lost = measured
    row = [found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99, 0.999)]
    print(f"{what:26}" + "".join(f"{ms:9.3f}" for ms in (*row, found[-1] * 1e3)) + f"{lost:7}")
