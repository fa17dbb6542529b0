"""How long answers take at half load, with a large state coming in again and again, and without.

Run by scripts/bench dns --latency.
"""

import subprocess
from pathlib import Path

import queries
from _master import serving

PORT = 23_053
RESYNC, NEVER = 1.0, 3_600.0
"""Seconds from one resync to the next; one begins when the one before is done."""


def measure(folder: Path, tasks: int, seconds: int) -> None:
    """Print percentiles of latency for both, at half of what the server answers at most."""
    lines = queries.questions(queries.zone(folder, tasks, PORT), 10_000)["A"]
    (folder / "A").write_text("\n".join(lines) + "\n")
    rate = 0.0
    with serving(tasks) as master:
        for what, interval in (("quiet", NEVER), ("one resync after another", RESYNC)):
            discovery = f'masters = ["{master}"], resync_interval = {interval}, timeout = 120.0'
            toml = queries.configuration(folder, PORT, discovery)
            (folder / "pointsman.toml").write_text(toml)
            with queries.pointsman(folder, PORT) as (port, pids):
                if not rate:
                    rate = queries.run(folder / "A", "udp", port, pids(), seconds)[1] / 2
                    print(f"{rate:,.0f} queries a second, half of the most; in milliseconds:")
                    print(f"{'':26}{'p50':>9}{'p99':>9}{'p99.9':>9}{'worst':>9}{'lost':>7}")
                report(what, latencies(folder, port, rate, seconds))


def latencies(folder: Path, port: int, rate: float, seconds: int) -> tuple[list[float], int]:
    """Return how long each query took, in seconds, sorted; and how many had no answer."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(folder / "A"), "-v"]
    command += ["-c", str(queries.CLIENTS), "-Q", str(int(rate)), "-l", str(seconds), "-t", "2"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [
        float(line.rpartition(" ")[2]) for line in printed.splitlines() if line.startswith("> NO")
    ]
    return sorted(found), printed.count("> T ")


def report(what: str, measured: tuple[list[float], int]) -> None:
    """Print one row."""
    found, lost = measured
    row = [found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99, 0.999)]
    print(f"{what:26}" + "".join(f"{ms:9.3f}" for ms in (*row, found[-1] * 1e3)) + f"{lost:7}")
