"""Answering DNS beside Knot, NSD and mesos-dns: CPU of a query, memory of a name, and latency."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import _asking
import _footprint
import _latency
import _servers
from _asking import Run
from _measure import versus
from _servers import Server

UNIT = "µs of CPU a query"
OURS, PYTHON = "Pointsman", "Pointsman-Python"
PARTS = ("cost", "throughput", "memory", "latency")


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[1_000, 10_000, 100_000],
        help="tasks in the zone; as many names are asked for",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=1, help="length of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each; the least CPU counts")
    parser.add_argument("--skip-tcp", action="store_true")
    parser.add_argument("--mesos-dns", metavar="PATH", help="its binary, to measure it as well")
    parser.add_argument(
        "--only", choices=PARTS, nargs="+", default=PARTS, help="some of the measurements"
    )
    parser.add_argument("--latency-tasks", type=int, default=100_000)
    options = parser.parse_args()
    if "cost" in options.only:
        costs = [
            compare(count, options, tcp=count == middle(options.tasks) and not options.skip_tcp)
            for count in options.tasks
        ]
        flat(options.tasks, costs)
    with tempfile.TemporaryDirectory(prefix="pointsman-bench.") as folder:
        if "throughput" in options.only:
            throughput(Path(folder), middle(options.tasks))
        if "memory" in options.only:
            _footprint.measure(max(options.tasks))
        if "latency" in options.only:
            _latency.measure(Path(folder), options.latency_tasks)
    return 0


def middle(sizes: Sequence[int]) -> int:
    """Return the size at which is measured what need not be at all."""
    return sorted(sizes)[len(sizes) // 2]


def compare(tasks: int, options: argparse.Namespace, *, tcp: bool) -> dict[str, float]:
    """Print what each server needs for each kind of query; return what Pointsman needs."""
    ours = {}
    with tempfile.TemporaryDirectory(prefix="pointsman-bench.") as name, ExitStack() as stack:
        folder = Path(name)
        _servers.written(folder, tasks)
        servers = [
            stack.enter_context(_servers.pointsman(folder, 22_053, name=OURS)),
            stack.enter_context(
                _servers.pointsman(folder, 23_053, name=PYTHON, dns="native = false")
            ),
        ]
        records = _servers.zone(folder)
        servers[:0] = [
            stack.enter_context(_servers.knot(folder, 20_053)),
            stack.enter_context(_servers.nsd(folder, 21_053)),
        ]
        if options.mesos_dns:
            made = _servers.mesos_dns(folder, 24_053, options.mesos_dns, tasks)
            servers.append(stack.enter_context(made))
        files = _asking.write(folder, _asking.questions(records, tasks))
        for server in servers:
            server.serves()
            server.pin(_asking.SERVER)
        print(f"\n{tasks:,} tasks, {len(records):,} records; {tasks:,} names asked for")
        print("microseconds of CPU per query, and thousands of queries a second\n")
        print(f"{'':24}" + "".join(f"{server.name:>18}" for server in servers) + f"{'to Knot':>11}")
        for transport in ("udp", "tcp") if tcp else ("udp",):
            for kind, file in files.items():
                cost = least(servers, file, transport, options.rounds, options.seconds)
                print(f"{transport} {kind:20}" + row(servers, cost), flush=True)
                apart = {OURS} if transport == "udp" else {OURS, PYTHON}  # all TCP is Python's
                peers = {name: run.cost for name, run in cost.items() if name not in apart}
                what = f"{tasks:,} tasks, {transport.upper()}, {kind}"
                versus(what, UNIT, cost[OURS].cost, peers)
                ours[f"{transport} {kind}"] = cost[OURS].cost
    return ours


def least(
    servers: Sequence[Server], file: Path, transport: str, rounds: int, seconds: float
) -> dict[str, Run]:
    """Return the run of least CPU of each server; they take turns, as others use the machine."""
    for server in servers:
        _asking.ask_all(server, file, transport)
    turns = [
        {server.name: _asking.run(server, file, transport, seconds) for server in servers}
        for _ in range(rounds)
    ]
    return {server.name: min(turn[server.name] for turn in turns) for server in servers}


def row(servers: Sequence[Server], cost: dict[str, Run]) -> str:
    """Return what is printed of one kind of query."""
    runs = (cost[server.name] for server in servers)
    cells = "".join(f"{run.cost:12.2f} ({run.rate / 1e3:3.0f})" for run in runs)
    return f"{cells}{cost[OURS].cost / cost['Knot'].cost:10.2f}x"


def flat(sizes: Sequence[int], costs: Sequence[dict[str, float]]) -> None:
    """Print what a query costs in the largest zone, beside the smallest."""
    if len(sizes) < 2:
        return
    print(f"\nCPU per query at {max(sizes):,} tasks to that at {min(sizes):,}")
    by_size = dict(zip(sizes, costs, strict=True))
    for kind in by_size[min(sizes)]:
        if kind in by_size[max(sizes)]:
            print(f"{kind:24}{by_size[max(sizes)][kind] / by_size[min(sizes)][kind]:8.2f}x")


def throughput(folder: Path, tasks: int) -> None:
    """Print how much is answered at most by one thread and by two, on all CPUs with the client."""
    _servers.written(folder, tasks)
    records = _servers.zone(folder)
    file = _asking.write(folder, {"A": _asking.questions(records, tasks)["A"]})["A"]
    print(f"\nUDP, A, {tasks:,} tasks: queries a second, the client on the same CPUs\n")
    print(f"{'threads':10}{'Knot':>12}{OURS:>12}")
    for threads in (1, 2):
        with (
            _servers.knot(folder, 20_053, workers=threads) as knot,
            _servers.pointsman(folder, 22_053, dns=f"threads = {threads}") as ours,
        ):
            for server in (knot, ours):
                server.serves()
                _asking.ask_all(server, file)
            rates = [
                [_asking.run(s, file, "udp", 2, pinned=False).rate for s in (knot, ours)]
                for _ in range(3)
            ]
            best = [max(turn) for turn in zip(*rates, strict=True)]
            print(f"{threads:<10}" + "".join(f"{rate:12,.0f}" for rate in best), flush=True)


if __name__ == "__main__":
    sys.exit(main())
