"""A made-up cluster of any size behind a real HTTP side: what tests and pictures of the page show.

Names, VIPs and what is told of them are derived as always; made up are the tasks, what their checks
found, and what a kernel would have counted. The same seed makes the same cluster.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Self

import msgspec
from immutables import Map

from pointsman.config import Config, DiscoveryConfig
from pointsman.discovery.model import Agent, Note, Task
from pointsman.dns.zone import Zones
from pointsman.events import Happening, Kind, Ring
from pointsman.generation import zones
from pointsman.healthcheck.model import Health, Standing, Status, Target
from pointsman.healthcheck.state import State
from pointsman.http_server import HttpServer
from pointsman.metrics import Metrics
from pointsman.pipeline import NOTHING, derive
from pointsman.rules import rules
from pointsman.show import vip_records
from pointsman.testing import cluster, discovery, labels, port, task
from pointsman.vip.model import Activity, Endpoint, Key
from pointsman.vip.parts import Look, Report

WHAT = (
    "search", "cart", "checkout", "payments", "users", "auth", "catalog", "images",
    "thumbnails", "mailer", "notify", "ledger", "quotes", "pricing", "stock", "orders",
    "shipping", "returns", "reviews", "ratings", "profile", "session", "gateway", "edge",
    "billing", "invoices", "coupons", "geo", "maps", "chat", "push", "video", "audio", "queue",
    "backup", "metrics", "trace", "logs", "alert", "report",
)  # fmt: skip
PART = (
    "api", "web", "worker", "cache", "proxy", "admin", "indexer", "feed", "router", "store",
    "sync", "cron", "stream", "batch", "export", "import", "scorer", "merge", "hook", "relay",
    "index", "shard", "view", "query", "writer", "reader", "planner", "limiter", "auditor",
    "bridge", "warmer", "archive", "replay", "digest", "ticker", "loader", "mapper", "sorter",
    "packer", "tailer", "tester", "guard", "broker", "tracker", "keeper", "sender", "parser",
    "signer", "minter", "poller",
)  # fmt: skip
SERVICES = len(WHAT) * len(PART)
"""How many there can be."""
CHECK = "http /health"
FAILURES = [
    (Standing.SICK, "HTTP 503, expected 200-399"),
    (Standing.SICK, "no answer in 2 s"),
    (Standing.LOST, "connection refused"),
]


class MadeUp:
    """What an HTTP side tells of, as ``api.Served`` has it."""

    config = Config(discovery=DiscoveryConfig(masters=("10.0.0.1:5050",)))
    mode = "stream, leader 10.0.0.1:5050"

    def __init__(self, services: int = SERVICES, tasks: int = 10_000, seed: int = 1) -> None:
        """Have so many tasks in so many services, each of which has a VIP."""
        self.not_ready = ""
        self.complaints: tuple[str, ...] = ()
        self.events = Ring()
        self._random = random.Random(seed)
        self._now = time.monotonic()
        made = list(self._tasks(services, tasks))
        self._cluster = cluster(*made)
        self._rules = rules(self.config)
        watched = sorted(derive(self._cluster, self._rules).watched, key=str)
        self._health = Health(Map({target: self._status() for target in watched}))
        self.views = NOTHING
        self.zones = Zones()
        self._derive()
        self._activity = self._counted()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out, and why."""
        return self.views.notes

    @property
    def health(self) -> tuple[Mapping[Target, Status], Mapping[Target, State]]:
        """What is believed of each target."""
        return self._health.statuses, {}

    async def reload(self) -> tuple[str, ...]:
        """Read nothing again."""
        return ()

    async def resync(self) -> Report:
        """Find the kernel as it should be."""
        return Report()

    async def count(self) -> None:
        """Count nothing."""

    async def look(self) -> Look:
        """Return what a kernel would have that followed."""
        deadlines = {
            (key, endpoint): time.monotonic() + 10 + endpoint.port % 50
            for key, server in self.views.wanted.table.items()
            for endpoint, real in server.real_servers.items()
            if not real.weight
        }
        sums = {key: _sum(reals.values()) for key, reals in self._activity.items()}
        return Look(self.views.wanted.table, self._activity, sums, deadlines)

    def happen(
        self, kind: Kind, what: str, before: str = "", after: str = "", why: str = "",
        ago: float = 0.0,
    ) -> None:  # fmt: skip
        """Have an event so many seconds ago."""
        self.events.add([Happening(kind, what, before, after, why)], time.time() - ago)

    def _derive(self) -> None:
        views = derive(self._cluster, self._rules, health=self._health)
        records = [record for derived in views.derived.values() for record in derived.records]
        served = zones(self.config, ("10.0.0.11",), 1)
        served.update((), [*records, *vip_records(views.wanted.names, self.config)])
        self.views, self.zones = views, served

    def _tasks(self, services: int, tasks: int) -> Iterator[Task]:
        names = [f"{what}-{part}" for part in PART for what in WHAT][:services]
        agents = [
            Agent(f"N{n}", f"10.0.{1 + n // 200}.{10 + n % 200}", 5051)
            for n in range(max(tasks // 50, 3))
        ]
        shares = [self._random.paretovariate(1.3) for _ in names]
        for number in range(tasks):
            # Each has one, the others go where there are many already.
            name = names[number] if number < services else self._random.choices(names, shares)[0]
            agent = agents[number % len(agents)]
            yield self._task(name, agent, 31000 + number // len(agents))

    def _task(self, name: str, agent: Agent, at: int) -> Task:
        chance = self._random.random()
        state: dict[str, Any] = {}
        if chance < 0.006:
            state = {"state": "TASK_KILLING"}
        elif chance < 0.01:
            state = {"state": "TASK_STARTING"}
        bad = {"VIP_1": "nonsense"} if chance > 0.998 else {}
        return task(
            f"{name}.{self._random.getrandbits(32):08x}", agent,
            discovery=discovery(name, port(at, "http", VIP_0=f"/{name}:80", **bad)),
            labels=labels(HEALTHCHECK=CHECK), ports=(at,), **state,
        )  # fmt: skip

    def _status(self) -> Status:
        if self._random.random() > 0.012:
            return Status(Standing.UP, self._now - 3600, "HTTP 200")
        standing, reason = self._random.choice(FAILURES)
        return Status(standing, self._now - self._random.randrange(5, 300), reason)

    def _counted(self) -> dict[Key, dict[Endpoint, Activity]]:
        return {
            key: {
                endpoint: self._one(weight=real.weight)
                for endpoint, real in server.real_servers.items()
            }
            for key, server in self.views.wanted.table.items()
        }

    def _one(self, *, weight: int) -> Activity:
        active = int(self._random.paretovariate(0.9)) if weight else self._random.randrange(4)
        rate = active // 3 if weight else 0
        return Activity(
            active=active, inactive=active // 2, connections=active * 5000 + rate,
            bytes_in=active * 7_000_000, bytes_out=active * 90_000_000,
            connection_rate=rate, bytes_in_rate=rate * 900, bytes_out_rate=rate * 14_000,
        )  # fmt: skip


def _sum(found: Any) -> Activity:
    rows = [msgspec.structs.astuple(one) for one in found]
    return Activity(*map(sum, zip(*rows, strict=True))) if rows else Activity()


class Serving:
    """The HTTP side of a made-up cluster, on a loopback address, in a thread of its own."""

    def __init__(self, served: MadeUp, address: str) -> None:
        self.served = served
        self.url = f"http://{address}/"
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._server = HttpServer(served, Metrics())

    def open(self) -> None:
        """Serve from now on."""
        self.wait(self._server.listen(self._address))

    def close(self) -> None:
        """Serve no more, and let go of who is connected."""
        self.wait(self._server.close())

    def do(self, work: Callable[[], None]) -> None:
        """Do something with what is served, in the thread that serves it."""

        async def done() -> None:
            work()

        self.wait(done())

    def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done in that thread, and wait until it is."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, name="page")
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
