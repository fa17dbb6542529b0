"""What is asked, by dnsperf, and what it takes a server to answer."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from _servers import Record, Server

CLIENTS = 8
OUTSTANDING = 100
"""Queries on their way at once, over all clients."""

CPUS = sorted(os.sched_getaffinity(0))
SERVER = set(CPUS[:-1]) or set(CPUS)
"""CPUs of the servers; the client has the last one, where there are several."""


class Run(NamedTuple):
    """One run of dnsperf."""

    cost: float
    """Microseconds of CPU that the server took for a query."""
    rate: float
    """Queries a second."""


def questions(records: Sequence[Record], count: int) -> dict[str, list[str]]:
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


def write(folder: Path, kinds: dict[str, list[str]]) -> dict[str, Path]:
    """Write what is asked into files."""
    files = {kind: folder / kind.partition(" (")[0].replace(", ", "-") for kind in kinds}
    for kind, file in files.items():
        file.write_text("\n".join(kinds[kind]) + "\n")
    return files


def command(port: int, file: Path, *, pinned: bool = True) -> list[str]:
    """Return how dnsperf is run, but for what ends it."""
    pin = ["taskset", "-c", str(CPUS[-1])] if pinned else []
    return [
        *pin, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(file),
        "-c", str(CLIENTS), "-q", str(OUTSTANDING), "-t", "2",
    ]  # fmt: skip


def ask_all(server: Server, file: Path, transport: str = "udp") -> None:
    """Ask everything once, so that it is known."""
    end = ["-m", transport, "-n", "1"]
    subprocess.run([*command(server.port, file), *end], check=True, capture_output=True)


def run(server: Server, file: Path, transport: str, seconds: float, *, pinned: bool = True) -> Run:
    """Send queries for some seconds."""
    before = server.used()
    printed = subprocess.run(
        [*command(server.port, file, pinned=pinned), "-m", transport, "-l", str(seconds)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    spent = server.used() - before
    found = {
        key.strip(): value.strip()
        for key, colon, value in (line.partition(":") for line in printed.splitlines())
        if colon and value.strip()
    }
    completed, lost = (int(found[f"Queries {what}"].split()[0]) for what in ("completed", "lost"))
    expected = "NXDOMAIN" if file.name == "NXDOMAIN" else "NOERROR"
    answered = int(found["Response codes"].partition(f"{expected} ")[2].split(" ")[0] or 0)
    if lost > completed / 100 or answered < completed:
        print(
            f"  {server.name}, {file.name}: {completed:,} queries completed, {lost:,} lost;"
            f" {answered:,} answered {expected}",
            file=sys.stderr,
        )
    return Run(spent / completed * 1e6, float(found["Queries per second"]))
