"""Programming 1,000 virtual servers of 10 real servers: our codec, ipvsadm and pyroute2.

Every way is run in one process on one kernel, each beginning with an empty table. Where this
kernel has no ip_vs, the whole bench runs in a user-mode-linux.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pointsman.vip.diff import diff
from pointsman.vip.model import (
    AddReal,
    Change,
    Endpoint,
    Key,
    Protocol,
    RealServer,
    Settings,
    Table,
    VirtualServer,
)
from pointsman.vip.netlink import Ipvs

ROOT = Path(__file__).resolve().parents[1]
GUEST = "BENCH_IN_GUEST"


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--servers", type=int, default=1000, help="virtual servers (%(default)s)")
    parser.add_argument("--reals", type=int, default=10, help="real servers of each (%(default)s)")
    parser.add_argument(
        "--share", type=int, default=20,
        help="pyroute2 does one in so many, and its time is multiplied (%(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    if not Path("/proc/net/ip_vs").exists() and GUEST not in os.environ:
        print("this kernel has no ip_vs: running in a user-mode-linux", flush=True)
        command = [str(ROOT / "netns-lab/uml/run"), "env", f"{GUEST}=1", sys.executable, *sys.argv]
        return subprocess.run(command, check=False).returncode
    wanted = dict(servers(options.servers, options.reals))
    with Ipvs() as ipvs:
        if ipvs.table():
            print("bench: this namespace has virtual servers; run it where there are none")
            return 1
        measure(ipvs, wanted, options.share)
    return 0


def servers(count: int, reals: int) -> Iterator[tuple[Key, VirtualServer]]:
    """Yield virtual servers with addresses of the usual range."""
    for n in range(count):
        key = Key(Protocol.TCP, f"11.0.{n >> 8}.{n & 255}", 80)
        endpoints = (Endpoint(f"10.{r}.{n >> 8}.{n & 255}", 31000) for r in range(reals))
        yield key, VirtualServer(Settings(), {e: RealServer() for e in endpoints})


def measure(ipvs: Ipvs, wanted: Table, share: int) -> None:
    """Print a table of times."""
    changes = diff({}, wanted, lambda _: True)
    lines = "".join(ipvsadm_line(change) + "\n" for change in changes)

    def added() -> None:
        assert ipvs.apply(changes) == ()

    def restored() -> None:
        subprocess.run(["ipvsadm", "-R"], input=lines, text=True, check=True)

    ours, theirs, _ = (timed(ipvs, work, 3) for work in (added, restored, added))
    pyroute2 = timed(ipvs, lambda: with_pyroute2(changes[: len(changes) // share]), 1) * share
    assert ipvs.apply(changes) == ()
    dump = least(ipvs.table, 5)
    saved = least(lambda: subprocess.run(["ipvsadm", "-Sn"], capture_output=True, check=True), 3)
    actual = ipvs.table()
    assert actual == wanted
    equal = least(lambda: diff(actual, wanted, lambda _: True), 5)
    ipvs.flush()

    n = len(changes)
    print(
        f"{len(wanted):,} virtual servers with {n - len(wanted):,} real servers; "
        "the least of several runs"
    )
    print(f"\n{'add':34}{'seconds':>9}{'op/s':>9}{'times ours':>12}")
    for name, seconds in (
        ("pointsman", ours),
        ("ipvsadm -R", theirs),
        (f"pyroute2 (1 in {share}, multiplied)", pyroute2),
    ):
        print(f"{name:34}{seconds:9.3f}{n / seconds:9,.0f}{seconds / ours:12.1f}")
    print(f"\n{'read back':34}{'seconds':>9}{'':9}{'times ours':>12}")
    for name, seconds in (("pointsman", dump), ("ipvsadm -Sn", saved)):
        print(f"{name:34}{seconds:9.3f}{'':9}{seconds / dump:12.1f}")
    print(f"\n{'compare with what is wanted':34}{equal:9.3f}")
    for name, ratio, goal in (("ipvsadm -R", theirs / ours, 10), ("pyroute2", pyroute2 / ours, 50)):
        reached = "reached" if ratio >= goal else "NOT reached"
        print(f"goal: {goal} times faster than {name}: {ratio:.1f} times, {reached}")


def least(work: Callable[[], object], times: int) -> float:
    """Return the least seconds of several runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def timed(ipvs: Ipvs, work: Callable[[], None], times: int) -> float:
    """Do the same, each run on an empty table."""
    taken = []
    for _ in range(times):
        ipvs.flush()
        taken.append(least(work, 1))
    ipvs.flush()
    return min(taken)


def ipvsadm_line(change: Change) -> str:
    """Return a change as a line for `ipvsadm -R`."""
    key = f"-t {change.key.address}:{change.key.port}"
    match change:
        case AddReal(_, endpoint, real):
            return f"-a {key} -r {endpoint} -m -w {real.weight}"
    return f"-A {key} -s wlc"


def with_pyroute2(changes: tuple[Change, ...]) -> None:
    """Make changes by the classes of pyroute2."""
    from pyroute2 import IPVS, IPVSDest, IPVSService

    opened: Any = IPVS()
    with closing(opened):
        for change in changes:
            key = {"addr": change.key.address, "port": change.key.port, "protocol": 6}
            service = IPVSService(**key, sched_name="wlc")
            match change:
                case AddReal(_, Endpoint(address, port)):
                    dest = IPVSDest(addr=address, port=port, fwd_method=0, weight=1)
                    opened.dest("add", service=service, dest=dest)
                case _:
                    opened.service("add", service=service)


if __name__ == "__main__":
    sys.exit(main())
