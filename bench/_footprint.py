"""What a name takes in the native responder: its table, and all that the process grows by.

Run by scripts/bench dns, in a process of its own.
"""

import asyncio
import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import _asking
import _servers
import states
from _measure import memory

from pointsman.checking import Checking
from pointsman.config import Config, DnsConfig, VipConfig
from pointsman.discovery import v1
from pointsman.discovery.listing import gather
from pointsman.dns.udp import UdpListener
from pointsman.events import Ring
from pointsman.front import Front
from pointsman.generation import Generation
from pointsman.metrics import Metrics
from pointsman.telling import Telling


def measure(tasks: int) -> None:
    """Print what all names of a zone take that has so many tasks."""
    subprocess.run([sys.executable, __file__, str(tasks)], check=True)


async def ask(folder: Path, tasks: int) -> None:
    """Ask for all names there are, over UDP, and print what they took."""
    config = Config(dns=DnsConfig(dcos=()), vip=VipConfig(enabled=False))
    front = Front()
    generation = Generation(
        config, ["10.0.0.9"], (), None, Metrics(), front,
        Checking(folder, lambda: None), Telling(Ring()),
    )  # fmt: skip
    known = gather([v1.read(states.v1(tasks, _servers.AGENTS))])
    await generation.reconciler.run_once(known, whole=True)
    teacher = generation.responder.teacher
    assert teacher is not None, "no native responder"
    table = teacher.table
    zone = next(iter(generation.zones))
    listener = UdpListener("127.0.0.1", 0, generation.responder.udp, front.counts)
    listener.start()
    listener.serve(table)
    names = [*zone.owners]
    print(f"\n{tasks:,} tasks, {len(names):,} names in the zone: octets of memory per name")
    print(f"{'':20}{'names':>10}{'table':>10}{'process':>10}")
    row("not asked", len(names), [table.size])
    whole = table.size  # what the process grew by for it can't be told from the zone
    for type_ in ("A", "SRV"):
        asked = [name for name in names if type_ in zone.types(name)]
        file = folder / type_
        file.write_text("".join(f"{name} {type_}\n" for name in asked))
        trim()
        size, resident = table.size, memory("VmRSS")
        process = await asyncio.create_subprocess_exec(
            *_asking.command(listener.address[1], file), "-n", "1", stdout=subprocess.DEVNULL
        )
        assert await process.wait() == 0
        trim()
        grown = memory("VmRSS") - resident
        row(f"{type_} asked, more", len(asked), [table.size - size, grown])
        whole += grown
        missing = len(asked) - len(table.known(asked))
        assert not missing, f"{missing} names were not taught"
    row("all names asked", len(names), [table.size, whole])
    listener.close()


def row(what: str, names: int, octets: list[int]) -> None:
    """Print what there is for each of so many names."""
    print(f"{what:20}{names:10,}" + "".join(f"{each / names:10.0f}" for each in octets), flush=True)


def trim() -> None:
    """Give back what is free, so that growth is not hidden in it."""
    ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pointsman-bench.") as name:
        asyncio.run(ask(Path(name), int(sys.argv[1])))
