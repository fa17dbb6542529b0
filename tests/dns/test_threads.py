"""Native threads by themselves: what they answer, what they pass up, how they begin and end."""

import os
import re
import resource
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dns.message
import pytest

from pointlab.servers.paths import PATIENCE, answering
from pointsman.discovery.errors import Fatal
from pointsman.dns import limit
from pointsman.dns.counts import Counts
from pointsman.dns.limit import RateLimit
from pointsman.dns.records import Record
from pointsman.dns.teacher import MISSING, Teacher
from pointsman.dns.threads import Passed, Threads
from pointsman.dns.udp import ASKED
from pointsman.dns.zone import Soa, Zone, Zones

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native responder: {MISSING}")

CAP_SYS_NICE = 1 << 23

KNOWN = dns.message.make_query("web.mesos.", "A", id=7).to_wire()
UNKNOWN = dns.message.make_query("example.com.", "A", id=8).to_wire()


def zones(address: str = "10.0.0.1") -> Zones:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.update((), [Record("web.mesos.", "A", address, 60)])
    zone.loaded = True
    return Zones(zone)


def taught(
    counts: Counts, address: str = "10.0.0.1", *, exempt: Iterable[str] = (), rate: int = -1
) -> Teacher:
    teacher = Teacher(zones(address), counts, 0x8400, 1232, exempt, rate)
    assert teacher.answer(KNOWN)
    return teacher


def bound(stack: ExitStack, host: str = "127.0.0.1", *, told: bool = False) -> socket.socket:
    """Return a socket as a listener has it; one that is told tells where packets came to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    if told:
        one.setsockopt(*ASKED[family])
    one.bind((host, 0))
    one.setblocking(False)
    return one


def client(stack: ExitStack, at: tuple[str, int], host: str = "") -> socket.socket:
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    one = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    one.settimeout(PATIENCE)
    if host:
        one.bind((host, 0))
    one.connect(at)
    return one


def waited(threads: Threads) -> Passed:
    """Return what is passed up next, when it is."""
    threads.up.settimeout(PATIENCE)
    found = threads.receive()
    threads.up.setblocking(False)
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as closing:
        yield closing


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_is_known_is_answered_and_the_rest_is_passed_up_as_it_came(
    stack: ExitStack, host: str
) -> None:
    counts, one = Counts(), bound(stack, host)
    threads = Threads(taught(counts).table, [one], counts)
    stack.callback(threads.close)
    asking = client(stack, one.getsockname()[:2])
    asking.send(KNOWN)
    assert asking.recv(512)[-4:] == b"\n\0\0\1"
    for odd in (UNKNOWN, b"", b"x", bytes(4_096)):
        asking.send(odd)
        assert waited(threads) == (odd, [], asking.getsockname())
    with pytest.raises(BlockingIOError):
        threads.receive()
    counts.collect()
    assert (counts.passed, counts.dropped["native_full"]) == (4, 0)
    assert len(threads) == 1


def niceness(name: str) -> list[int]:
    """Return the nice values of the threads of this process with that name."""
    return [
        os.getpriority(os.PRIO_PROCESS, int(task.name))
        for task in Path("/proc/self/task").iterdir()
        if (task / "comm").read_text() == f"{name}\n"
    ]


def test_a_thread_goes_before_the_rest_of_the_process(stack: ExitStack) -> None:
    counts, one = Counts(), bound(stack)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    stack.callback(Threads(taught(counts).table, [one], counts).close)
    asking = client(stack, one.getsockname()[:2])
    asking.send(KNOWN)
    assert asking.recv(512)
    allowed = 20 - resource.getrlimit(resource.RLIMIT_NICE)[0]
    (rights,) = re.findall(r"^CapEff:\t(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if int(rights, 16) & CAP_SYS_NICE or allowed <= own - 10:
        assert niceness("dns") == [max(own - 10, -20)]
    else:
        assert niceness("dns") == [own]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
def test_where_a_packet_came_to_is_passed_up_with_it(stack: ExitStack, every: str) -> None:
    counts, one = Counts(), bound(stack, every, told=True)
    threads = Threads(taught(counts).table, [one], counts)
    stack.callback(threads.close)
    host = "127.9.8.7" if every == "0.0.0.0" else "::1"
    asking = client(stack, (host, one.getsockname()[1]))
    asking.send(KNOWN)
    assert asking.recv(512)  # from where it was sent to, as it is connected
    asking.send(UNKNOWN)
    packet, [(_, kind, place)], address = waited(threads)
    assert (packet, address) == (UNKNOWN, asking.getsockname())
    assert socket.inet_pton(one.family, host) in place
    assert kind == (8 if every == "0.0.0.0" else socket.IPV6_PKTINFO)


def test_another_table_counts_from_the_next_packet_on(stack: ExitStack) -> None:
    counts, one = Counts(), bound(stack)
    threads = Threads(taught(counts).table, [one], counts)
    stack.callback(threads.close)
    asking = client(stack, one.getsockname())
    for number in range(2, 200):
        teacher = taught(counts, f"10.0.0.{number}")
        threads.use(teacher.table)
        asking.send(KNOWN)
        assert asking.recv(512)[-1] == number
        teacher.close()


def test_what_was_passed_up_and_counted_stays_after_the_end(stack: ExitStack) -> None:
    counts, one = Counts(), bound(stack)
    teacher = taught(counts)
    threads = Threads(teacher.table, [one], counts)
    asking = client(stack, one.getsockname())
    for number in range(50):
        asking.send(number.to_bytes(2) + UNKNOWN[2:])
    asking.send(KNOWN)  # which is answered after the others were passed, or with them
    assert asking.recv(512)
    threads.stop()
    assert [threads.receive()[0][:2] for _ in range(50)] == [n.to_bytes(2) for n in range(50)]
    assert (counts.passed, counts.total("answered")) == (50, 2)
    assert len(threads) == 0
    threads.close()
    teacher.close()
    assert (counts.passed, counts.total("answered")) == (50, 2)
    assert not counts._sources


def test_what_stays_in_the_socket_is_for_who_reads_it_next(stack: ExitStack) -> None:
    counts, one = Counts(), bound(stack)
    table, asking = taught(counts).table, client(stack, one.getsockname())
    for _ in range(3):
        threads = Threads(table, [one], counts)
        threads.close()
        asking.send(KNOWN)
        one.settimeout(PATIENCE)
        assert one.recv(512) == KNOWN
        one.setblocking(False)


def test_a_queue_that_is_full_drops_and_counts(stack: ExitStack) -> None:
    counts, one = Counts(), bound(stack)
    threads = Threads(taught(counts).table, [one], counts)
    stack.callback(threads.close)
    asking = client(stack, one.getsockname())
    packet, sent = UNKNOWN + bytes(1_000), 0
    while not counts.dropped["native_full"]:
        for _ in range(50):
            asking.send(packet)
        asking.send(KNOWN)
        asking.recv(512)  # they were read
        sent += 50
        counts.collect()
        assert sent < 100_000
    with suppress(BlockingIOError):
        while True:
            threads.receive()
    asking.send(UNKNOWN)
    assert waited(threads)[0] == UNKNOWN


def test_a_client_outside_has_its_share_and_the_rest_is_passed_up(stack: ExitStack) -> None:
    share, rest = limit.split(RateLimit(per_second=9, all_per_second=9, exempt=("127.0.0.0/24",)))
    assert (share, rest.per_second, rest.all_per_second) == (4, 5, 5)
    counts, one = Counts(), bound(stack, "0.0.0.0", told=True)
    # A share lasts for a second; one that lasts for ever shows the same without a clock.
    threads = Threads(taught(counts, exempt=rest.exempt, rate=0).table, [one], counts)
    stack.callback(threads.close)
    port = one.getsockname()[1]
    outside = client(stack, ("127.0.0.1", port), "127.0.1.1")
    inside = client(stack, ("127.0.0.1", port), "127.0.0.9")
    for _ in range(20):
        inside.send(KNOWN)
        assert inside.recv(512)
        outside.send(KNOWN)
        assert waited(threads)[2] == outside.getsockname()
    threads.use(taught(counts, exempt=rest.exempt, rate=share).table)
    for number in range(40):
        outside.send(number.to_bytes(2) + KNOWN[2:])
    inside.send(KNOWN)
    assert inside.recv(512)
    answers = {outside.recv(512)[:2] for _ in range(share)}
    assert answers >= {n.to_bytes(2) for n in range(share)}
    passed = {waited(threads)[0][:2] for _ in range(40 - 2 * share)}
    assert not answers & passed


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Let this process open so many files more, and no other."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - no files
    with ExitStack() as holding:
        last = -1
        while last <= top:
            last = holding.enter_context(Path("/dev/null").open()).fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1 + count, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("room", range(5))
def test_what_can_not_be_had_leaves_nothing_behind(stack: ExitStack, room: int) -> None:
    counts, one = Counts(), bound(stack)
    teacher, asking = taught(counts), client(stack, one.getsockname())
    sources, descriptors = {**counts._sources}, os.listdir("/proc/self/fd")  # noqa: PTH208
    # A pair to pass queries on, and one for each thread to be woken by.
    with room_for(room), pytest.raises(Fatal, match=r"dns\.threads: a thread can't be started: "):
        Threads(teacher.table, [one] * 3, counts)
    assert {*counts._sources} == {*sources}
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)  # noqa: PTH208
    asking.send(KNOWN)
    one.settimeout(PATIENCE)
    assert one.recv(512) == KNOWN


def test_a_responder_is_taught_by_what_is_passed_up(stack: ExitStack) -> None:
    responder, one = answering("native", zones()), bound(stack)
    assert responder.teacher is not None
    threads = Threads(responder.teacher.table, [one], responder.counts)
    stack.callback(threads.close)
    asking = client(stack, one.getsockname())
    asking.send(KNOWN)
    packet, _, address = waited(threads)
    answer = responder.udp(packet, address[0])
    asking.send(KNOWN)
    assert asking.recv(512) == answer
