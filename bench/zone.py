"""Building the zones of a large cluster, and following one changed task: time, memory, holds."""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import states
from _measure import Beat, memory, versus

from pointsman.checking import Checking
from pointsman.config import Config, VipConfig
from pointsman.daemon import SWITCH
from pointsman.discovery import trust, v1
from pointsman.discovery.listing import gather
from pointsman.discovery.trust import Trust
from pointsman.events import Ring
from pointsman.front import Front
from pointsman.generation import Generation
from pointsman.metrics import Metrics
from pointsman.telling import Telling

AGENTS = 500
CHANGES = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("tasks", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.state:
        sys.setswitchinterval(SWITCH)  # as the program does
        asyncio.run(measure(options.state))
        return 0
    for count in options.tasks:
        with tempfile.NamedTemporaryFile() as file:
            file.write(states.v1(count, AGENTS))
            file.flush()
            # A process of its own, so that its memory is that of this state alone.
            print(f"\n{count:,} tasks", flush=True)
            subprocess.run([sys.executable, __file__, "--state", file.name], check=True)
    return 0


async def measure(path: Path) -> None:
    beat = Beat()
    beating = asyncio.create_task(beat.run())
    known = await asyncio.to_thread(lambda: gather([v1.read(path.read_bytes())]))
    config = Config(vip=VipConfig(enabled=False))
    generation = Generation(
        config, ["10.0.0.9"], (), None, Metrics(), Front(), Checking(Path("health"), lambda: None),
        Telling(Ring()),
    )  # fmt: skip
    reconciler = generation.reconciler
    beat.worst, start, used = 0.0, time.perf_counter(), time.process_time()
    await reconciler.run_once(known, whole=True)
    records = sum(map(len, generation.zones))
    print(
        f"  first build: {records:,} records in {time.perf_counter() - start:.2f} s,"
        f" CPU {time.process_time() - used:.2f} s;"
        f" the event loop held for {beat.worst * 1e3:.1f} ms at the longest"
    )
    print(f"  memory of the whole process: {memory('VmRSS') / 1e6:.0f} MB")
    await changes(generation, known, time.process_time() - used)
    beating.cancel()


async def changes(generation: Generation, known: object, whole: float) -> None:
    """Take tasks out and put them in again, one by one, and print what one costs."""
    believed, _ = trust.believe(Trust(), known, 0.0)  # type: ignore[arg-type]
    spent = []
    for key, told in list(believed.told.tasks.items())[:CHANGES]:
        ended = {"task_id": {"value": key[1]}, "state": "TASK_KILLED"}
        said = {"framework_id": {"value": key[0]}, "status": ended, "state": "TASK_KILLED"}
        event = v1.event(json.dumps({"type": "TASK_UPDATED", "task_updated": said}).encode())
        for one in (event, v1.TaskAdded(told)):
            start = time.process_time()
            believed, change = trust.hear(believed, one)
            assert believed.cluster is not None
            await generation.reconciler.run_once(believed.cluster, change, whole=False)
            spent.append(time.process_time() - start)
    median = statistics.median(spent)
    peers = {"building all anew": whole * 1e3}
    count = len(believed.told.tasks)
    versus(f"{count:,} tasks: one more or less", "ms of CPU", median * 1e3, peers)
    print(
        f"  one task more or less: {median * 1e3:.2f} ms of CPU (median);"
        f" building all anew takes {whole / median:,.0f} times that"
    )


if __name__ == "__main__":
    sys.exit(main())
