"""Debian's BIND, Knot and NSD as secondaries: after every change they serve what we do."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.exception
import dns.query
import dns.rdatatype
import dns.zone
import pytest

from pointlab.servers import secondaries
from pointlab.servers.secondaries import Primary
from pointlab.site.process import Processes, free_port
from pointsman.dns import tsig
from pointsman.dns.answer import Responder
from pointsman.dns.counts import Counts
from pointsman.dns.journal import Journal
from pointsman.dns.notify import Notices, Notifier
from pointsman.dns.records import Record
from pointsman.dns.tcp import TcpListener
from pointsman.dns.transfer import Transfer, Transfers
from pointsman.dns.tsig import Keys
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

PATIENCE = 30.0
SECRET = "c2VjcmV0IG9mIGEgdGVzdCwgb2YgMzIgb2N0ZXRzLg=="
ALIAS = "mesos.example"
SERVERS = ("BIND", "Knot", "NSD")


def record(number: int, value: int) -> Record:
    return Record(f"web-{number}.marathon.mesos.", "A", f"10.{value >> 8}.{value & 255}.1", 60)


def made(serial: int, count: int) -> Zone:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["127.0.0.1"], serial)
    zone.update((), [record(n, n) for n in range(count)])
    zone.loaded = True
    zone.journal = Journal(100_000)
    return zone


class Served:
    """A zone, its listeners, and who is told."""

    def __init__(self, zone: Zone, port: int, key: str = "", key_file: str = "") -> None:
        self.zone = zone
        self.counts = Counts()
        self.keys = tsig.parse(key_file) if key_file else ()
        self.to: list[tuple[str, int]] = []
        self.zones = Zones(zone, mirrors=[Mirror(f"{ALIAS}.", zone)])
        settings = Transfer(allow=("127.0.0.0/8",), key_file=key)
        self.responder = Responder(
            self.zones,
            self.counts,
            transfers=Transfers(self.zones, settings, self.counts).answer,
            keys=Keys(self.keys, time.time),
        )
        self.tcp = TcpListener("127.0.0.1", port, self.responder.tcp)
        self.udp = UdpListener(*self.tcp.address, self.responder.udp)
        self.notifier = Notifier(self._notices, self.counts, time.time)

    def _notices(self) -> Notices:
        key = self.keys[0] if self.keys else None
        return Notices(tuple(self.zones.served), tuple(self.to), key)

    def change(self, removed: list[Record], added: list[Record]) -> None:
        self.responder.invalidate(self.zones.update(removed, added))


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[Served]:
    await served.tcp.start()
    served.udp.start()
    telling = asyncio.create_task(served.notifier.run())
    try:
        yield served
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        served.udp.close()
        await served.tcp.close()


def lines(zone: Zone) -> set[tuple[str, int, str, str]]:
    return {(line.name, line.ttl, line.type, line.data) for line in zone.lines()}


def fetched(port: int, name: str = "mesos") -> tuple[int, set[tuple[str, int, str, str]]]:
    """Return serial and records of a zone at a secondary."""
    messages = dns.query.xfr("127.0.0.1", name, port=port, lifetime=20, relativize=False)
    zone = dns.zone.from_xfr(messages, relativize=False, check_origin=False)
    found = set()
    serial = 0
    for owner, ttl, data in zone.iterate_rdatas():
        if data.rdtype == dns.rdatatype.SOA:
            serial = int(str(data).split()[2])
        else:
            found.add((str(owner), ttl, dns.rdatatype.to_text(data.rdtype), str(data)))
    return serial, found


async def follows(port: int, zone: Zone) -> None:
    """Wait until a secondary has the serial that the zone has now, and want all to be equal."""
    deadline = time.monotonic() + PATIENCE
    serial, wanted = zone.serial, lines(zone)
    while True:
        with contextlib.suppress(OSError, EOFError, dns.exception.DNSException):
            have, found = await asyncio.to_thread(fetched, port)
            if have == serial:
                assert found == wanted
                return
        assert time.monotonic() < deadline, f"serial {serial} has not come"
        await asyncio.sleep(0.05)


class Secondary:
    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder / server
        self.folder.mkdir()
        self.server = server
        self.port = free_port()
        self.processes = Processes(self.folder)

    def start(self, primary: Primary) -> None:
        command = secondaries.SERVERS[self.server](self.folder, self.port, primary)
        self.processes.start(self.server, command)

    def stop(self) -> None:
        self.processes.stop(self.server)

    def log(self) -> str:
        return self.processes.log(self.server).read_text()


def running(
    test: Callable[[Served, Secondary], Coroutine[Any, Any, None]],
    folder: Path,
    server: str,
    *,
    key: str = "",
    count: int = 20,
    zone: str = "mesos",
) -> None:
    async def run() -> None:
        primary = Primary(zone, "127.0.0.1", free_port(), key, SECRET if key else "")
        file = secondaries.key_file(primary) if key else ""
        served = Served(made(int(time.time()), count), primary.port, key, file)
        secondary = Secondary(folder, server)
        async with serving(served):
            secondary.start(primary)
            served.to.append(("127.0.0.1", secondary.port))
            try:
                await test(served, secondary)
            except AssertionError as error:
                error.add_note(f"{served.counts.transfers} {secondary.log()[-3000:]}")
                raise
            finally:
                secondary.stop()

    asyncio.run(run())


@pytest.mark.parametrize("key", ["", "transfers"], ids=["unsigned", "signed"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_secondary_follows_many_changes(server: str, key: str, tmp_path: Path) -> None:
    pick = random.Random(7)

    async def test(served: Served, secondary: Secondary) -> None:
        await follows(secondary.port, served.zone)
        held = [record(n, n) for n in range(1000)]
        for _ in range(5):
            for _ in range(pick.randrange(1, 40)):
                removed = pick.sample(held, min(len(held), pick.randrange(3)))
                added = [record(pick.randrange(2000), pick.randrange(9999)) for _ in range(2)]
                added = [r for r in added if r not in held]
                held = [r for r in held if r not in removed] + added
                served.change(removed, added)
                if pick.random() < 0.2:
                    await asyncio.sleep(0.01)  # changes come before, between and after notices
            await follows(secondary.port, served.zone)
        transfers = served.counts.transfers
        assert transfers["axfr"] <= 2  # at its start, once or twice
        assert transfers["ixfr"] >= 5
        assert not transfers["refused"]
        assert served.counts.notifies["answered"]

    running(test, tmp_path, server, key=key, count=1000)


@pytest.mark.parametrize("server", SERVERS)
def test_a_secondary_that_lacks_steps_takes_the_whole_zone(server: str, tmp_path: Path) -> None:
    async def test(served: Served, secondary: Secondary) -> None:
        await follows(secondary.port, served.zone)
        served.zone.journal = Journal(5)  # as after a restart, or after very many changes
        before = served.counts.transfers["axfr"]
        served.change([], [record(n, n) for n in range(50, 90)])
        await follows(secondary.port, served.zone)
        assert served.counts.transfers["axfr"] > before

    running(test, tmp_path, server)


@pytest.mark.parametrize("server", SERVERS)
def test_a_zone_of_many_records(server: str, tmp_path: Path) -> None:
    async def test(served: Served, secondary: Secondary) -> None:
        await follows(secondary.port, served.zone)
        served.change([record(5, 5)], [record(5, 6)])
        await follows(secondary.port, served.zone)
        assert served.counts.transfers["ixfr"] >= 1

    running(test, tmp_path, server, count=20_000)


def test_another_name_of_a_zone_is_transferred_as_well(tmp_path: Path) -> None:
    async def test(served: Served, secondary: Secondary) -> None:
        deadline = time.monotonic() + PATIENCE
        served.change([], [record(77, 77)])
        while True:
            with contextlib.suppress(OSError, EOFError, dns.exception.DNSException):
                serial, found = await asyncio.to_thread(fetched, secondary.port, ALIAS)
                if serial == served.zone.serial:
                    break
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert (f"web-77.marathon.{ALIAS}.", 60, "A", "10.0.77.1") in found
        assert (f"{ALIAS}.", 60, "NS", f"ns1.{ALIAS}.") in found
        assert len(found) == len(lines(served.zone))

    running(test, tmp_path, "BIND", zone=ALIAS)


def test_who_lacks_the_key_has_nothing(tmp_path: Path) -> None:
    async def test(served: Served, secondary: Secondary) -> None:
        await follows(secondary.port, served.zone)
        port = served.tcp.address[1]
        with pytest.raises(dns.exception.DNSException, match="REFUSED"):
            await asyncio.to_thread(fetched, port)
        assert served.counts.transfers == Counter(axfr=1, refused=1)

    running(test, tmp_path, "Knot", key="transfers")
