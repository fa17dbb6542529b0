"""How long answers take at half load, with a large state coming in anew every second, and without.

Run by scripts/bench dns --latency.
"""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import queries
import states

PORT = 23_053
RESYNC = 1.0


def measure(folder: Path, tasks: int, seconds: int) -> None:
    """Print percentiles of latency for both, at half of what the server answers at most."""
    records = queries.zone(folder, tasks, PORT)
    lines = queries.questions(records, 10_000)["A"]
    (folder / "A").write_text("\n".join(lines) + "\n")
    # The other state has one task less, so that each reading leads to a change.
    (folder / "other").write_bytes(states.v1(tasks - 1, queries.AGENTS))
    (folder / "first").write_bytes((folder / "state").read_bytes())
    print(f"{tasks:,} tasks, {len(records):,} records, {(folder / 'first').stat().st_size:,} bytes")
    with queries.pointsman(folder, PORT) as (port, pids):
        most = queries.run(folder / "A", "udp", port, pids(), seconds)[1]
        print(f"at most {most:,.0f} queries a second; at half of that, in milliseconds:")
        print(f"{'':22}{'p50':>9}{'p99':>9}{'p99.9':>9}{'worst':>9}{'lost':>7}")
        report("quiet", latencies(folder, port, most / 2, seconds))
        with changing(folder):
            report("a resync each second", latencies(folder, port, most / 2, seconds))


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Put one state, then the other, in the place of the file, all the time."""
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.wait(RESYNC):
            number += 1
            link = folder / "next"
            os.link(folder / ("other" if number % 2 else "first"), link)
            link.replace(folder / "state")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


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
    print(f"{what:22}" + "".join(f"{ms:9.3f}" for ms in (*row, found[-1] * 1e3)) + f"{lost:7}")
