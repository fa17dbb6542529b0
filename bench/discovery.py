"""Reading a large state, one change among many tasks, a large resync, a real master's events."""

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import states
from _master import serving
from _measure import Beat, memory, versus

from pointsman.daemon import SWITCH
from pointsman.discovery import trust, v0, v1
from pointsman.discovery.access import Access, Auth, Tls
from pointsman.discovery.listing import gather
from pointsman.discovery.master import Masters
from pointsman.discovery.model import Change, Cluster
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust
from pointsman.discovery.watch import Pace, Watch
from pointsman.dns.records import NameRules
from pointsman.pipeline import Rules, VipRules, derive

ROOT = Path(__file__).resolve().parents[1]
AGENTS = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000, help="of the state that is read")
    parser.add_argument("--large", type=int, default=100_000, help="tasks of the resync")
    parser.add_argument("--real", type=int, default=2_000, help="tasks on the real master")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH)  # as the program does
    if options.memory:
        print(peak_above(options.memory))
        return 0
    reading(options.tasks)
    one_change(1_000, options.large)
    resync(options.large)
    real(options.real)
    return 0


def cpu(run: Callable[[], object], times: int = 7) -> float:
    """Return the least CPU seconds of a run."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        kept = run()
        best = min(best, time.process_time() - start)
        del kept
    return best


def reading(count: int) -> None:
    body = states.v0(count, AGENTS)
    print(f"\na /state of {count:,} tasks, {len(body) / 1e6:.1f} MB: CPU")
    plain = cpu(lambda: json.loads(body), 3)
    first = cpu(lambda: gather([v0.read(body)]))
    known = gather([v0.read(body)])
    again = cpu(lambda: gather([v0.read(body)], known))
    call = states.v1(count, AGENTS)
    operator = cpu(lambda: gather([v1.read(call)]))
    plain_call = cpu(lambda: json.loads(call), 3)
    for what, seconds, peer in (
        ("json.loads", plain, plain),
        ("to a Cluster", first, plain),
        ("to a Cluster like the one before", again, plain),
        (f"GET_STATE ({len(call) / 1e6:.1f} MB) to a Cluster", operator, plain_call),
    ):
        print(f"  {what:40} {seconds * 1e3:8.1f} ms  {peer / seconds:5.1f} x json.loads")
        if what != "json.loads":
            peers = {"json.loads": peer * 1e3}
            versus(f"{count:,} tasks: {what}", "ms of CPU", seconds * 1e3, peers)
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [sys.executable, __file__, "--memory", file.name]
        above = int(subprocess.run(command, check=True, capture_output=True).stdout)
    share = above / len(body)
    print(f"  memory at most, above the body: {above / 1e6:.0f} MB, {share:.2f} x its size")


def peak_above(path: Path) -> int:
    """Return by how many bytes this process grew at most while it read a state."""
    body = path.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    before = memory("VmHWM")
    kept = gather([v0.read(body)])
    assert kept.tasks
    return memory("VmHWM") - before


def one_change(*counts: int) -> None:
    print("\none status update among many tasks: median")
    rules = Rules(NameRules(), VipRules(enabled=False))
    for count in counts:
        known = gather([v1.read(states.v1(count, AGENTS))])
        believed, _ = trust.believe(Trust(), known, 0.0)
        views = derive(known, rules)
        events = [update(key) for key in list(known.tasks)[:500]]
        folding, deriving = [], []
        for event in events:
            start = time.perf_counter()
            believed, change = trust.hear(believed, v1.event(event))
            middle = time.perf_counter()
            assert believed.cluster is not None
            views = derive(believed.cluster, rules, views, change)
            deriving.append(time.perf_counter() - middle)
            folding.append(middle - start)
        print(
            f"  among {count:7,}: bytes to a Cluster {statistics.median(folding) * 1e6:5.1f} us,"
            f" Cluster to records {statistics.median(deriving) * 1e6:5.1f} us"
        )


def update(key: tuple[str, str]) -> bytes:
    status = {"task_id": {"value": key[1]}, "state": "TASK_RUNNING", "healthy": False}
    said = {"framework_id": {"value": key[0]}, "status": status, "state": "TASK_RUNNING"}
    return json.dumps({"type": "TASK_UPDATED", "task_updated": said}).encode()


# A full resync, and how long it holds the event loop.


def resync(count: int) -> None:
    async def run(address: str) -> None:
        seen, beat = Seen(), Beat()
        beating = asyncio.create_task(beat.run())
        async with aiohttp.ClientSession(read_bufsize=1 << 18) as session:
            masters = Masters([address], session, Access(Tls(), Auth()), 120.0)
            watch = Watch(masters, Pace(resync=1.0), Trust(), lambda *_: None, seen)
            following = asyncio.create_task(watch.run())
            for turn, what in enumerate(("the first time", "again, with nothing new"), 1):
                start, used = time.perf_counter(), time.process_time()
                beat.worst = 0.0
                while seen.readings["stream"] < turn:
                    await asyncio.sleep(0.01)
                print(
                    f"  {what:24} longest hold of the event loop {beat.worst * 1e3:5.1f} ms;"
                    f" done in {time.perf_counter() - start:.1f} s,"
                    f" CPU {time.process_time() - used:.1f} s"
                )
            following.cancel()
            beating.cancel()
            await asyncio.gather(following, beating, return_exceptions=True)

    with serving(count) as address:
        asyncio.run(run(address))


# The real master.


BARE = """
import socket, sys, time
host, port = sys.argv[1].split(":")
stream = socket.create_connection((host, int(port)))
call = b'{"type":"SUBSCRIBE"}'
head = f"POST /api/v1 HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Type: application/json\\r\\n"
head += f"Accept: application/json\\r\\nContent-Length: {len(call)}\\r\\n\\r\\n"
stream.sendall(head.encode() + call)
while chunk := stream.recv(1 << 16):
    now = time.monotonic()
    for part in chunk.split(b'"task_id":{"value":"')[1:]:
        print(now, part.split(b'"')[0].decode(), flush=True)
"""
"""A reader of the stream that does nothing but note when each update arrives."""


def real(count: int) -> None:
    """Compare when an update arrived at a bare reader with when the Cluster had it."""
    sys.path.insert(0, str(ROOT / "netns-lab"))
    from pointlab.site import mesos
    from pointlab.site.cluster import Cluster as Lab
    from pointlab.site.cluster import Host
    from pointlab.site.process import Processes, wait_for

    if not Path(mesos.HOST).exists():
        print("\nno Mesos is built here; netns-lab/mesos/build builds it")
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    agents = [Host(f"agent{n}", f"127.0.23.{10 + n}") for n in (1, 2)]
    lab = Lab(Processes(folder), [Host("master1", "127.0.23.1")], agents)
    try:
        lab.up()
        lab.wait()
        specs: list[dict[str, Any]] = [
            {"id": f"web.{n}", "name": "web", "executor": "shared", "cpus": 0.01, "mem": 1}
            for n in range(count)
        ]
        lab.launch_many(specs)
        wait_for(lambda: len(lab.running()) == count, f"{count} tasks", 300)
        asyncio.run(lag(lab, count))
    finally:
        lab.down()
        shutil.rmtree(folder)


async def lag(lab: Any, count: int) -> None:
    """Flip the health of tasks one after the other, and print when it was known here."""
    known: dict[str, float] = {}
    seen = Seen()

    def published(_: Cluster, change: Change) -> None:
        now = time.monotonic()
        known.update({key[1]: now for key in change.tasks if now - start > 0 and ready.is_set()})

    ready, start = asyncio.Event(), time.monotonic()
    (address,) = lab.masters
    async with aiohttp.ClientSession(read_bufsize=1 << 18) as session:
        masters = Masters([address], session, Access(Tls(), Auth()), 30.0)
        following = asyncio.create_task(Watch(masters, Pace(), Trust(), published, seen).run())
        while seen.mode != "stream":
            await asyncio.sleep(0.01)
        bare = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BARE, address, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        assert bare.stdout
        await asyncio.sleep(2)  # the bare reader has its whole state by then
        ready.set()
        changed = [f"web.{n}" for n in range(0, count, max(count // 200, 1))]
        for id_ in changed:
            await asyncio.to_thread(lab.health, id_, False)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            while not known.keys() >= set(changed):
                await asyncio.sleep(0.01)
        bare.terminate()
        arrived: dict[str, float] = {}
        for line in (await bare.stdout.read()).decode().splitlines():
            when, id_ = line.split()
            arrived[id_] = float(when)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    lags = sorted(known[id_] - arrived[id_] for id_ in changed)
    print(f"\n{len(lags)} status updates of a real master with {count:,} tasks:")
    print(
        f"  in the Cluster {statistics.median(lags) * 1e3:.2f} ms (median), {lags[-1] * 1e3:.2f} ms"
        " (most) after a bare reader of the stream, in another process, had the bytes"
    )


if __name__ == "__main__":
    sys.exit(main())
