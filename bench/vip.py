"""Virtual servers in the kernel: first sync, a check that finds nothing, one change; and peers.

Every way is run in one process on one kernel, each beginning with an empty table. Where this
kernel has no ip_vs, the whole bench runs in a user-mode-linux.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from _measure import versus

from pointsman.vip.diff import diff
from pointsman.vip.dry import DryOwned, DryRoutes, DrySettings
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.model import (
    AddReal,
    Change,
    Endpoint,
    Key,
    Protocol,
    RealServer,
    Settings,
    VirtualServer,
)
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Memory
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl

ROOT = Path(__file__).resolve().parents[1]
KEEPALIVED = ROOT / ".lab/ipvs"
GUEST = "BENCH_IN_GUEST"
_NEWNET = 0x40000000  # CLONE_NEWNET
MOST = 300.0
"""Seconds that a peer may take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--servers", type=int, nargs="*", default=[1_000, 10_000],
        help="virtual servers, of each run (1000 and 10000)",
    )  # fmt: skip
    parser.add_argument("--reals", type=int, default=10, help="real servers of each (%(default)s)")
    parser.add_argument(
        "--share", type=int, default=50,
        help="pyroute2 does one in so many, and its time is multiplied (%(default)s)",
    )  # fmt: skip
    options = parser.parse_args()
    if not Path("/proc/net/ip_vs").exists() and GUEST not in os.environ:
        print("this kernel has no ip_vs: running in a user-mode-linux", flush=True)
        command = [str(ROOT / "netns-lab/uml/run"), "env", f"{GUEST}=1", sys.executable, *sys.argv]
        environment = os.environ | {"UML_MEM": "2G", "UML_TIMEOUT": "1800"}
        return subprocess.run(command, check=False, env=environment).returncode
    for count in options.servers:
        measure(dict(servers(count, options.reals)), options.share)
    return 0


@contextmanager
def empty() -> Iterator[Ipvs]:
    """Be in a network namespace of one's own: deleted real servers stay in the way of new ones."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home:
        assert libc.unshare(_NEWNET) == 0, "this needs root"
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            with Ipvs() as ipvs:
                yield ipvs
        finally:
            assert libc.setns(home.fileno(), _NEWNET) == 0


def servers(count: int, reals: int) -> Iterator[tuple[Key, Target]]:
    """Yield virtual servers with addresses of the usual range."""
    for n in range(count):
        key = Key(Protocol.TCP, f"11.0.{n >> 8}.{n & 255}", 80)
        endpoints = (Endpoint(f"10.{r}.{n >> 8}.{n & 255}", 31000) for r in range(reals))
        yield key, Target(VirtualServer(Settings(), {e: RealServer() for e in endpoints}))


def measure(targets: dict[Key, Target], share: int) -> None:
    """Print tables of times."""
    wanted = {key: target.server for key, target in targets.items()}
    changes = diff({}, wanted, lambda _: True)
    lines = "".join(ipvsadm_line(change) + "\n" for change in changes)
    n = len(changes)
    print(f"\n{len(wanted):,} virtual servers with {n - len(wanted):,} real servers\n", flush=True)

    def kernel(ipvs: Ipvs) -> Kernel:
        memory = DryOwned(Memory(keys=frozenset(targets)))
        return Kernel(ipvs, DryRoutes(), None, DrySettings(Sysctl()), memory, Wants())

    def restored(_: Ipvs) -> None:
        subprocess.run(["ipvsadm", "-R"], input=lines, text=True, check=True)

    def synced(ipvs: Ipvs) -> None:
        report = kernel(ipvs).sync(targets, (), 0, whole=True)
        assert not report.failures

    first = timed(synced, 2)
    table(
        len(wanted),
        "first sync",
        first,
        {
            "ipvsadm -R": timed(restored, 1),
            "keepalived": timed(lambda _: keepalived(targets), 1),
            f"pyroute2 (1 in {share}, multiplied)": share
            * timed(lambda _: with_pyroute2(changes[: n // share]), 1),
        },
    )
    with empty() as ipvs:
        one = kernel(ipvs)
        one.sync(targets, (), 0, whole=True)
        check = least(lambda: nothing(one, targets), 3)
        save = ["ipvsadm", "-Sn"]
        saved = least(lambda: subprocess.run(save, capture_output=True, check=True), 2)
        table(len(wanted), "a check that finds nothing", check, {"ipvsadm -Sn": saved})
        sent, taken = ipvs.sent, [*changed_once(one, targets)]
        messages, change = (ipvs.sent - sent) / len(taken), min(taken)
        first_key = next(iter(targets))
        real = next(iter(targets[first_key].server.real_servers))
        edit = ["ipvsadm", "-e", "-t", f"{first_key.address}:80", "-r", str(real), "-m", "-w", "7"]
        edited = least(lambda: subprocess.run(edit, check=True), 3)
        table(len(wanted), "one change", change, {"ipvsadm -e": edited})
    for goal, reached in (
        ("one change is one message", messages == 1),
        ("one change takes less than 5 ms", change < 0.005),
        ("a check takes less than a quarter of ipvsadm -Sn", check * 4 < saved),
    ):
        print(f"goal: {goal}: {'reached' if reached else 'NOT reached'}")


def nothing(kernel: Kernel, targets: Mapping[Key, Target]) -> None:
    """Have everything read and compared."""
    report = kernel.sync(targets, (), 0, whole=True)
    assert (report.changes, report.repaired) == ((), 0)


def table(count: int, what: str, ours: float, peers: Mapping[str, float]) -> None:
    """Print seconds, and how many times as long as ours peers take."""
    thousandths = {name: seconds * 1e3 for name, seconds in peers.items()}
    versus(f"{count:,} virtual servers: {what}", "ms", ours * 1e3, thousandths)
    print(f"{what:38}{'seconds':>10}{'times ours':>12}")
    print(f"  {'pointsman':36}{ours:10.4f}{1:12.1f}")
    for name, seconds in peers.items():
        print(f"  {name:36}{seconds:10.4f}{seconds / ours:12.1f}")
    print(flush=True)


def least(work: Callable[[], object], times: int) -> float:
    """Return the least seconds of several runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def timed(work: Callable[[Ipvs], object], times: int) -> float:
    """Do the same, each run on an empty table."""
    taken = []
    for _ in range(times):
        with empty() as ipvs:
            taken.append(least(lambda: work(ipvs), 1))
    return min(taken)


def changed_once(kernel: Kernel, targets: Mapping[Key, Target]) -> Iterator[float]:
    """Yield the seconds of changes of one weight each."""
    key, target = next(iter(targets.items()))
    for weight in range(2, 12):
        reals = dict(target.server.real_servers)
        reals[next(iter(reals))] = RealServer(weight)
        changed = {**targets, key: Target(VirtualServer(Settings(), reals))}
        start = time.perf_counter()
        kernel.sync(changed, {key}, float(weight))
        yield time.perf_counter() - start


def ipvsadm_line(change: Change) -> str:
    """Return a change as a line for `ipvsadm -R`."""
    key = f"-t {change.key.address}:{change.key.port}"
    match change:
        case AddReal(_, endpoint, real):
            return f"-a {key} -r {endpoint} -m -w {real.weight}"
    return f"-A {key} -s wlc"


def keepalived(targets: Mapping[Key, Target]) -> None:
    """Start keepalived, and wait until the kernel has its table."""
    size = sum(1 + len(target.server.real_servers) for target in targets.values())
    with tempfile.TemporaryDirectory(dir="/run") as name:
        folder = Path(name)
        (folder / "keepalived.conf").write_text("".join(keepalived_lines(targets)))
        libraries = ":".join(map(str, KEEPALIVED.glob("**/lib/*-linux-gnu")))
        command = [
            str(KEEPALIVED / "usr/sbin/keepalived"), "--check", "--dont-fork",
            f"--use-file={folder}/keepalived.conf", f"--pid={folder}/pid",
            f"--checkers_pid={folder}/checkers.pid",
        ]  # fmt: skip
        start = time.perf_counter()
        with subprocess.Popen(
            command,
            env=os.environ | {"LD_LIBRARY_PATH": libraries},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            while entries() < size and time.perf_counter() - start < MOST:
                assert process.poll() is None, "keepalived has ended"
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)  # its child as well


def keepalived_lines(targets: Mapping[Key, Target]) -> Iterator[str]:
    """Yield a configuration without health checks."""
    yield "global_defs {\n  script_user root\n}\n"
    for key, target in targets.items():
        yield f"virtual_server {key.address} {key.port} {{\n  lvs_sched wlc\n  lvs_method NAT\n"
        yield "  protocol TCP\n"
        for real in target.server.real_servers:
            yield f"  real_server {real.address} {real.port} {{\n    weight 1\n  }}\n"
        yield "}\n"


def entries() -> int:
    """Return how many virtual and real servers there are."""
    return max(Path("/proc/thread-self/net/ip_vs").read_bytes().count(b"\n") - 3, 0)


def with_pyroute2(changes: Sequence[Change]) -> None:
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
