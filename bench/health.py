"""Health checks of 1,000 and 10,000 targets: CPU, sockets, bursts, lateness; and peers.

Real servers are a process of their own, which listens on all loopback addresses. Each way of
checking is a process of its own as well, one after another. Everything stays on this host.
"""

import argparse
import asyncio
import gc
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
from _measure import memory, versus

from pointsman import checking
from pointsman.daemon import SWITCH
from pointsman.healthcheck.counts import Counts
from pointsman.healthcheck.model import (
    TRUSTING,
    Check,
    Http,
    Outcome,
    Probe,
    Target,
    Tcp,
    Timing,
)

PORTS = 4
"""Of the server; each is listened on at all loopback addresses."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
PROBES: dict[str, Probe] = {"tcp": Tcp(), "http": Http()}
PEERS = {"tcp": "asyncio.open_connection", "http": "aiohttp"}
BEAT = 0.001
"""Seconds that the loop of the main thread sleeps each time."""
BURST = 0.1
"""Seconds in which probes that begin are counted together."""

Connect: TypeAlias = Callable[[str, int], Awaitable[bool]]


class Options(msgspec.Struct, frozen=True):
    """What one way of checking is told."""

    way: str
    kind: str
    count: int
    ports: tuple[int, ...]
    interval: float
    seconds: float

    def targets(self) -> Iterator[tuple[str, int]]:
        """Yield addresses and ports."""
        for n in range(self.count):
            host, port = divmod(n, len(self.ports))
            yield f"127.0.{1 + (host >> 7)}.{1 + (host & 127)}", self.ports[port]


class Found(msgspec.Struct, frozen=True):
    """What was measured of one way; times in seconds."""

    probes: int
    failed: int
    wall: float
    cpu: float
    most: int
    """Probes that ran at once, at most."""
    begun: list[float]
    """When probes began."""
    late: list[float]
    """How much later than planned."""
    memory: int
    """Octets above those of the process without targets."""
    quiet: list[float] = []
    """By how much a loop was late of which the other threads did nothing."""
    beats: list[float] = []
    """The same while probes ran in another thread."""


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--targets", type=int, nargs="*", default=[1_000, 10_000], help="of each run (1000, 10000)"
    )
    parser.add_argument(
        "--interval", type=float, default=5.0, help="seconds between probes (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="that each way is measured (%(default)s)"
    )
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "serve":
        serve()
    elif options.way:
        told = msgspec.json.decode(options.way, type=Options)
        run = pointsman(told) if told.way == "pointsman" else peer(told)
        sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(run)))
    else:
        with serving() as ports:
            for count in options.targets:
                compare(count, ports, options.interval, options.seconds)
    return 0


def compare(count: int, ports: tuple[int, ...], interval: float, seconds: float) -> None:
    """Print what this many targets cost, each way."""
    print(f"\n{count:,} targets, each probed every {interval:g} s, for {seconds:g} s")
    for kind, name in PEERS.items():
        ours, other = (
            in_process(Options(way, kind, count, ports, interval, seconds))
            for way in ("pointsman", "peer")
        )
        print(
            f"\n  {kind:25}{'CPU':>8}{'a probe':>10}{'ratio':>8}{'at once':>9}{'burst':>8}"
            f"{'late p50':>12}{'p99':>10}{'most':>10}{'memory':>9}"
        )
        cost, theirs = (one.cpu / one.probes * 1e6 for one in (ours, other))
        versus(f"{count:,} targets: {kind}", "µs of CPU a probe", cost, {name: theirs})
        show("pointsman", ours, ours)
        show(name, other, ours)
        for what, beats in (("no probes", ours.quiet), ("probes", ours.beats)):
            p50, p99, most = (percentile(beats, q) * 1e3 for q in (0.5, 0.99, 1))
            print(
                f"  the main thread's loop is late, {what:10}"
                f" p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {most:.1f} ms"
            )
        sys.stdout.flush()


def show(name: str, found: Found, ours: Found) -> None:
    """Print a row."""
    each, base = found.cpu / found.probes, ours.cpu / ours.probes
    late = "".join(f"{percentile(found.late, q) * 1e3:7.1f} ms" for q in (0.5, 0.99, 1))
    print(
        f"  {name:25}{found.cpu / found.wall:8.1%}{each * 1e6:7.0f} µs{each / base:8.1f}"
        f"{found.most:9}{burst(found):8.1f}  {late}{found.memory / 1e6:6.0f} MB"
        + (f"  {found.failed} of {found.probes} FAILED" if found.failed else "")
    )


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def burst(found: Found) -> float:
    """Return how many times the mean began in the busiest ``BURST`` seconds, wherever they lie."""
    begun, first, most = sorted(found.begun), 0, 0
    for last, at in enumerate(begun):
        while begun[first] <= at - BURST:
            first += 1
        most = max(most, last - first + 1)
    return most / (len(begun) / found.wall * BURST)


def in_process(options: Options) -> Found:
    """Measure in a process of its own, so that its CPU and memory are that of this way alone."""
    command = [sys.executable, __file__, "--way", msgspec.json.encode(options).decode()]
    limit = 60 + options.seconds * 4
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=limit)
    return msgspec.json.decode(done.stdout, type=Found)


class Noted(Counts):
    """Counts that also keep when each probe began."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []
        self.all_late: list[float] = []
        self.most = 0

    def late(self, seconds: float) -> None:
        super().late(seconds)
        self.begun.append(time.monotonic())
        self.all_late.append(seconds)

    def probed(self, kind: str, outcome: Outcome, seconds: float) -> None:
        super().probed(kind, outcome, seconds)
        self.most = max(self.most, self.running)


async def pointsman(options: Options) -> Found:
    """Check as the program does: in a thread, while the main thread has a loop of its own."""
    sys.setswitchinterval(SWITCH)
    checking.Counts = Noted  # type: ignore[attr-defined]
    check = Check(PROBES[options.kind], Timing(interval=options.interval))
    quiet, before = await beating(options.seconds / 4), memory("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        health = checking.Checking(Path(folder) / "health", lambda: None)
        counts = health.counts
        assert isinstance(counts, Noted)
        targets = [Target(address, port, check) for address, port in options.targets()]
        health.follow((), targets, TRUSTING)
        gc.collect()
        gc.freeze()  # as the program does
        await asyncio.sleep(options.interval * 1.2)
        outcomes, at = counts.outcomes.copy(), len(counts.begun)
        start, used = time.perf_counter(), time.process_time()
        counts.most = 0
        await asyncio.sleep(options.seconds)
        cpu, wall = time.process_time() - used, time.perf_counter() - start
        done, most = counts.outcomes - outcomes, counts.most
        begun, late = counts.begun[at:], counts.all_late[at:]
        peak = memory("VmHWM") - before
        beats = await beating(options.seconds / 2)
        await health.close()
    probes = done.total()
    good = done[options.kind, Outcome.GOOD]
    return Found(probes, probes - good, wall, cpu, most, begun, late, peak, quiet, beats)


async def beating(seconds: float) -> list[float]:
    """Return by how much each of many short sleeps was too long."""
    delays = []
    last = time.perf_counter()
    until = last + seconds
    while last < until:
        await asyncio.sleep(BEAT)
        now = time.perf_counter()
        delays.append(max(now - last - BEAT, 0))
        last = now
    return delays


class Peer:
    """A task for each target, which sleeps and connects by turns, spread over the interval."""

    def __init__(self, options: Options, connect: Connect) -> None:
        self.begun: list[float] = []
        self.late: list[float] = []
        self.most = self.running = self.probes = self.failed = 0
        self.ended = False
        self._connect = connect
        self._options = options

    async def check(self, number: int, address: str, port: int, start: float) -> None:
        """Probe one target until cancelled; aiohttp may take that for a timeout of its own."""
        interval = self._options.interval
        due = start + interval * number / self._options.count
        while not self.ended:
            await asyncio.sleep(due - time.monotonic())
            now = time.monotonic()
            self.begun.append(now)
            self.late.append(now - due)
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                good = await self._connect(address, port)
            except (OSError, asyncio.IncompleteReadError):
                good = False
            self.running -= 1
            self.probes += 1
            self.failed += not good
            due += interval


async def peer(options: Options) -> Found:
    """Check as one would write it at once with the usual library."""
    if options.kind == "tcp":
        return await compared(options, connects)
    from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

    connector = TCPConnector(force_close=True, limit=1000)
    async with ClientSession(connector=connector, timeout=ClientTimeout(2)) as session:

        async def answers(address: str, port: int) -> bool:
            try:
                async with session.get(f"http://{address}:{port}/") as response:
                    return 200 <= response.status < 400
            except ClientError:
                return False

        return await compared(options, answers)


async def connects(address: str, port: int) -> bool:
    """Connect once."""
    async with asyncio.timeout(2):
        _, writer = await asyncio.open_connection(address, port)
    writer.transport.abort()
    return True


async def compared(options: Options, connect: Connect) -> Found:
    """Measure a peer."""
    peer, before = Peer(options, connect), memory("VmRSS")
    start = time.monotonic() + 0.5
    tasks = [
        asyncio.create_task(peer.check(n, address, port, start))
        for n, (address, port) in enumerate(options.targets())
    ]
    gc.collect()
    gc.freeze()
    await asyncio.sleep(options.interval * 1.2 + 0.5)
    at, probes, failed = len(peer.begun), peer.probes, peer.failed
    began, used, peer.most = time.perf_counter(), time.process_time(), 0
    await asyncio.sleep(options.seconds)
    cpu, wall = time.process_time() - used, time.perf_counter() - began
    found = Found(
        peer.probes - probes, peer.failed - failed, wall, cpu, peer.most,
        peer.begun[at:], peer.late[at:], memory("VmHWM") - before,
    )  # fmt: skip
    peer.ended = True
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


@contextmanager
def serving() -> Iterator[tuple[int, ...]]:
    """Run the real servers, and give their ports."""
    command = [sys.executable, __file__, "--way", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield tuple(map(int, process.stdout.readline().split()))
        finally:
            process.kill()


def serve() -> None:
    """Answer every request on all loopback addresses with 200, until stdin ends."""
    listeners: dict[int, socket.socket] = {}
    poll = select.epoll()
    for _ in range(PORTS):
        listener = socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")  # nobody else
        listener.bind(("0.0.0.0", 0))
        listener.listen(4096)
        listeners[listener.fileno()] = listener
        poll.register(listener.fileno(), select.EPOLLIN)
    print(*(one.getsockname()[1] for one in listeners.values()), flush=True)
    poll.register(sys.stdin.fileno(), select.EPOLLHUP)  # whoever started it has ended
    connections: dict[int, socket.socket] = {}
    while True:
        for fd, _ in poll.poll():
            if fd in listeners:
                for connection in accepted(listeners[fd]):
                    connections[connection.fileno()] = connection
                    poll.register(connection.fileno(), select.EPOLLIN)
            elif fd in connections:
                answer(connections.pop(fd))
            else:
                return


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait."""
    while True:
        try:
            yield listener.accept()[0]
        except BlockingIOError:
            return


def answer(connection: socket.socket) -> None:
    """Answer what has come, if that is anything, and close: a request comes in one piece."""
    with connection:
        try:
            if connection.recv(4096, socket.MSG_DONTWAIT):
                connection.send(ANSWER, socket.MSG_DONTWAIT)
        except OSError:
            return


if __name__ == "__main__":
    sys.exit(main())
