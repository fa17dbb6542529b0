"""A change of a zone is in the next answer over a socket, and no answer is of two changes."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from functools import cache

import dns.message
import dns.rcode
import pytest

from pointlab.servers.paths import PATIENCE, answering
from pointsman.dns.answer import Responder
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING
from pointsman.dns.udp import UdpListener
from pointsman.dns.zone import Mirror, Soa, Zone, Zones

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

MIRROR = "mesos.thisdcos.directory."
WEB, FLIP, SERVICE, TARGET = "web.mesos.", "a.flip.mesos.", "_web._tcp.mesos.", "web-1.mesos."
RECORDS = 5
MOST_VERSIONS = 65_000


def records(version: int) -> list[Record]:
    """Return what there is in a version: each record says which it is."""
    high, low = version >> 8, version & 255
    found = [Record(WEB, "A", f"10.{high}.{low}.{n}", 60) for n in range(RECORDS)]
    found.append(Record(TARGET, "A", f"10.{high}.{low}.9", 60))
    if version % 2:
        found.append(Record(FLIP, "A", f"10.{high}.{low}.0", 60))
    return found


class Changing:
    """Zones that change, and a responder for them."""

    def __init__(self) -> None:
        zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, serial=0)
        self.zones = Zones(zone, mirrors=[Mirror(MIRROR, zone)])
        zone.update((), [Record(SERVICE, "SRV", f"0 1 80 {TARGET}", 60), *records(0)])
        zone.loaded = True
        self.zone = zone
        self.begun = self.done = 0
        self.responder: Responder = answering("native", self.zones)

    def change(self) -> None:
        self.begun += 1
        touched = self.zones.update(records(self.done), records(self.begun))
        self.responder.invalidate(touched)
        self.done = self.begun


@cache
def query(name: str, type_: str = "A") -> bytes:
    return dns.message.make_query(name, type_, id=7).to_wire()


def asked(client: socket.socket, name: str, type_: str = "A") -> dns.message.Message:
    client.send(query(name, type_))
    return dns.message.from_wire(client.recv(4096))


def serial_of(answer: dns.message.Message) -> int:
    (start,) = answer.authority[0]
    return int(start.serial)


def versions(answer: dns.message.Message) -> list[int]:
    """Return of which version each address of an answer is."""
    found = []
    for rrset in (*answer.answer, *answer.additional):
        for data in rrset:
            if hasattr(data, "address"):
                _, high, low, _ = map(int, data.address.split("."))
                found.append(high << 8 | low)
    return found


def client_of(listener: UdpListener) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(PATIENCE)
    one.connect(listener.address)
    return one


def listening(threads: int, test: Callable[[Changing, UdpListener], object]) -> None:
    """Run a test in the loop's own thread, so that all answers are native."""

    async def run() -> None:
        changing = Changing()
        assert changing.responder.teacher is not None
        responder = changing.responder
        for name in (WEB, f"web.{MIRROR}", SERVICE, f"_web._tcp.{MIRROR}", "nope.mesos."):
            for type_ in ("A", "SRV"):
                responder.udp(query(name, type_), "127.0.0.1")
        listener = UdpListener("127.0.0.1", 0, responder.udp, responder.counts)
        listener.start()
        try:
            listener.serve(changing.responder.teacher.table, threads)
            found = test(changing, listener)
            if asyncio.iscoroutine(found):
                await found
        finally:
            listener.close()

    asyncio.run(run())


@pytest.mark.parametrize("threads", [1, 2])
def test_the_next_packet_has_a_change(threads: int) -> None:
    def test(changing: Changing, listener: UdpListener) -> None:
        with client_of(listener) as client:
            for version in range(1, 1_501):
                changing.change()
                serial = changing.zone.serial
                assert versions(asked(client, WEB)) == [version] * RECORDS
                match version % 5:
                    case 0:
                        assert versions(asked(client, f"web.{MIRROR}")) == [version] * RECORDS
                    case 1:
                        assert versions(asked(client, SERVICE, "SRV")) == [version]
                    case 2:
                        assert versions(asked(client, f"_web._tcp.{MIRROR}", "SRV")) == [version]
                    case 3:
                        assert serial_of(asked(client, WEB, "AAAA")) == serial
                    case 4:
                        assert serial_of(asked(client, "nope.mesos.")) == serial
                if not version % 2:
                    for gone in (FLIP, "flip.mesos.", f"a.flip.{MIRROR}"):
                        assert asked(client, gone).rcode() == dns.rcode.NXDOMAIN

    listening(threads, test)


def test_while_changes_go_on_each_answer_is_of_one_of_them() -> None:
    over = threading.Event()

    seen: dict[str, set[int]] = {WEB: set(), SERVICE: set(), FLIP: set()}

    def ask(changing: Changing, listener: UdpListener, name: str, type_: str) -> None:
        """Ask again and again, and note which versions were seen."""
        last = 0
        with client_of(listener) as client:
            while not over.is_set():
                least = changing.done
                answer = asked(client, name, type_)
                most = changing.begun
                if answer.rcode() == dns.rcode.NXDOMAIN:
                    assert name == FLIP
                    assert most > least or not least % 2
                    continue
                found = versions(answer)
                assert found == [found[0]] * (RECORDS if name == WEB else 1)
                assert max(least, last) <= found[0] <= most
                last = found[0]
                seen[name].add(last)

    async def test(changing: Changing, listener: UdpListener) -> None:
        asking = [
            asyncio.create_task(
                asyncio.to_thread(ask, changing, listener, name, "SRV" if name == SERVICE else "A")
            )
            for name in seen
        ]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(0.0005)  # that all threads have their turn
        try:
            while min(map(len, seen.values())) < 20 and changing.done < MOST_VERSIONS:
                changing.change()
                await asyncio.sleep(0)  # what is asked anew is answered, and taught, here
                if any(task.done() for task in asking):
                    break
        finally:
            sys.setswitchinterval(interval)
            over.set()
            for task in asking:
                await task
        assert min(map(len, seen.values())) >= 20

    listening(2, test)
