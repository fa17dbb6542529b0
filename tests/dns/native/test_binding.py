"""What Python sees of the responder: it takes or refuses what it is given, and loses nothing."""

import gc
import os
import resource
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

QUERY = b"id\1\0\0\1\0\0\0\0\0\0\3web\5mesos\0\0\1\0\1"
RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
SOA = b"\0\6\0\1\0\0\0\x3c\0\4SOA!"
ZONES = [("in.mesos.", 0), ("mesos.", 1)]
WEB = ("web.mesos.", 1, [(1, [RECORD], b"", 0)])
MAPPED = b"\0" * 10 + b"\xff\xff" + b"\x7f\0\0\0"
RA = 0x8400
PATIENCE = 60


@pytest.fixture(scope="session")
def native(load: Callable[[], ModuleType]) -> Any:
    return load()


@pytest.fixture
def table(native: Any) -> Any:
    return native.Table(ZONES, RA, 1232, [(MAPPED, 104)], 200)


class Sockets:
    """A socket to serve, and one pair to pass up by."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.up, self.down = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.down.settimeout(PATIENCE)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.settimeout(PATIENCE)
        self.client.connect(self.socket.getsockname())

    def asked(self, query: bytes = QUERY) -> bytes:
        """Ask, and return the answer."""
        self.client.send(query)
        return self.client.recv(4096)

    def passed(self, query: bytes = QUERY) -> bytes:
        """Ask, and return what comes up."""
        self.client.send(query)
        return self.down.recv(8192)

    def close(self) -> None:
        """Close all."""
        for each in (self.socket, self.up, self.down, self.client):
            each.close()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made = Sockets()
    yield made
    made.close()


def served(native: Any, table: Any, sockets: Sockets) -> Any:
    return native.Server(table, sockets.socket.fileno(), sockets.up.fileno(), "served")


# Answers.


def test_what_was_taught_is_answered(table: Any) -> None:
    assert table.answer(QUERY) is None
    assert table.teach(*WEB) is None
    answer = b"id\x85\0\0\1\0\1\0\0\0\0" + QUERY[12:] + RECORD
    assert table.answer(QUERY) == answer
    assert table.answer(QUERY.replace(b"web", b"WeB")) == answer.replace(b"web", b"WeB")
    assert table.forget("web.mesos.") is True
    assert table.forget("web.mesos.") is False
    assert table.answer(QUERY) is None


def test_no_is_said_of_what_is_not_marked(table: Any) -> None:
    assert table.answer(QUERY) is None
    assert table.deny(1, SOA) is None
    assert table.answer(QUERY) == b"id\x85\3\0\1\0\0\0\1\0\0" + QUERY[12:] + b"\xc0\x10" + SOA
    assert table.mark(1, "web.mesos.", True) is True
    assert table.mark(1, "web.mesos.", True) is False
    assert table.answer(QUERY) is None
    assert table.mark(1, "web.mesos.", False) is True
    assert table.mark(1, "web.mesos.", False) is False
    assert table.deny(1, None) is None
    assert table.answer(QUERY) is None


def test_a_mirror_is_marked_as_its_zone(native: Any) -> None:
    table = native.Table([("mirror.x.", 1), ("mesos.", 1)], RA, 1232, [], -1)
    assert table.mark(0, "web.mirror.x.", True) is True
    assert table.mark(1, "web.mesos.", True) is False


def test_the_name_of_a_plain_query_is_told(table: Any) -> None:
    assert table.asked(QUERY.replace(b"web", b"W\xe9B")) == "w\xe9b.mesos."
    assert table.asked(QUERY[:-1]) is None
    assert table.asked(b"") is None


def test_names_that_are_known_are_told(table: Any) -> None:
    table.teach(*WEB)
    assert table.known(["a.mesos.", "web.mesos.", "web.mesos."]) == ["web.mesos.", "web.mesos."]
    assert table.known(iter(())) == []
    # A mirror's names may be longer than any that can be asked for.
    assert table.known(["relative", "x" * 300, "web.mesos."]) == ["web.mesos."]


def test_answers_are_counted(table: Any) -> None:
    table.teach(*WEB)
    table.deny(1, SOA)
    for _ in range(3):
        table.answer(QUERY)
        table.answer(QUERY.replace(b"web", b"not"))
    queries, durations, nanoseconds, passed, overflow = table.counts()
    assert queries == [(1, 0, 3), (1, 2, 3)]
    assert durations == (0,) * 16
    assert (nanoseconds, passed, overflow) == (0, 0, 0)


# What is refused.


class Number:
    """A number that does something while it is read."""

    def __init__(self, does: Callable[[], object] = bool) -> None:
        self.does = does

    def __index__(self) -> int:
        self.does()
        return 1


@pytest.mark.parametrize(
    "given",
    [
        (),
        (ZONES, RA, 1232, []),
        (ZONES, RA, 1232, [], -1, 0),
        (None, RA, 1232, [], -1),
        (tuple(ZONES), RA, 1232, [], -1),
        ([None], RA, 1232, [], -1),
        (["mesos."], RA, 1232, [], -1),
        ([("mesos.",)], RA, 1232, [], -1),
        ([(b"mesos.", 0)], RA, 1232, [], -1),
        ([("mesos.", None)], RA, 1232, [], -1),
        ([("mesos.", Number())], RA, 1232, [], -1),
        ([("mesos.", 1)], RA, 1232, [], -1),  # there is no such zone
        ([("mesos.", -1)], RA, 1232, [], -1),
        ([("mesos", 0)], RA, 1232, [], -1),
        ([("", 0)], RA, 1232, [], -1),
        ([("\xe9.", 0)], RA, 1232, [], -1),
        ([("a" * 254 + ".", 0)], RA, 1232, [], -1),
        ([("mesos.", 0), ("in.mesos.", 0)], RA, 1232, [], -1),  # the longest comes first
        ([("mesos.", 0)] * 65, RA, 1232, [], -1),
        (ZONES, None, 1232, [], -1),
        (ZONES, -1, 1232, [], -1),
        (ZONES, 65_536, 1232, [], -1),
        (ZONES, RA, 511, [], -1),
        (ZONES, RA, 4_097, [], -1),
        (ZONES, RA, 65_536 + 1232, [], -1),
        (ZONES, RA, 1 << 70, [], -1),
        (ZONES, RA, 1232, None, -1),
        (ZONES, RA, 1232, [MAPPED], -1),
        (ZONES, RA, 1232, [(MAPPED[1:], 8)], -1),
        (ZONES, RA, 1232, [(MAPPED + b"\0", 8)], -1),
        (ZONES, RA, 1232, [("\0" * 16, 8)], -1),
        (ZONES, RA, 1232, [(MAPPED, 129)], -1),
        (ZONES, RA, 1232, [(MAPPED, -1)], -1),
        (ZONES, RA, 1232, [(MAPPED, 96)] * 257, -1),
        (ZONES, RA, 1232, [], None),
        (ZONES, RA, 1232, [], 1 << 40),
    ],
)
def test_a_table_is_not_made_of(native: Any, given: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        native.Table(*given)


def test_a_table_takes_as_much_as_it_has_room_for(native: Any) -> None:
    zones = [(f"{number:02}.mesos.", 0) for number in range(64)]
    table = native.Table(zones, 65_535, 4_096, [(MAPPED, 128)] * 256, 2**31 - 1)
    assert native.Table([], 0, 512, [], 0).answer(QUERY) is None
    assert table.mark(63, "web.63.mesos.", True)


RRSET = (1, [RECORD], b"", 0)


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("web.mesos.", 1),
        (b"web.mesos.", 1, [RRSET]),
        (None, 1, [RRSET]),
        ("web.mesos", 1, [RRSET]),
        ("", 1, [RRSET]),
        (".", 1, [RRSET]),
        ("web.mesos.\0", 1, [RRSET]),
        ("\xfc.mesos.", 1, [RRSET]),
        ("\udc80.mesos.", 1, [RRSET]),
        ("w" * 249 + ".mesos.", 1, [RRSET]),
        ("web.mesos.", 0, [RRSET]),  # it is in the other zone
        ("x.in.mesos.", 1, [RRSET]),
        ("web.example.", 1, [RRSET]),
        ("web.mesos.", 2, [RRSET]),
        ("web.mesos.", -1, [RRSET]),
        ("web.mesos.", 256 + 1, [RRSET]),
        ("web.mesos.", 65_536 + 1, [RRSET]),
        ("web.mesos.", 1.0, [RRSET]),
        ("web.mesos.", Number(), [RRSET]),
        ("web.mesos.", 1, None),
        ("web.mesos.", 1, (RRSET,)),
        ("web.mesos.", 1, [None]),
        ("web.mesos.", 1, [list(RRSET)]),
        ("web.mesos.", 1, [RRSET] * 17),
        ("web.mesos.", 1, [()]),
        ("web.mesos.", 1, [(1, [RECORD], b"")]),
        ("web.mesos.", 1, [(*RRSET, 0)]),
        ("web.mesos.", 1, [(-1, [RECORD], b"", 0)]),
        ("web.mesos.", 1, [(65_537, [RECORD], b"", 0)]),
        ("web.mesos.", 1, [(Number(), [RECORD], b"", 0)]),
        ("web.mesos.", 1, [(1, None, b"", 0)]),
        ("web.mesos.", 1, [(1, RECORD, b"", 0)]),
        ("web.mesos.", 1, [(1, (RECORD,), b"", 0)]),
        ("web.mesos.", 1, [(1, [], b"", 0)]),
        ("web.mesos.", 1, [(1, [None], b"", 0)]),
        ("web.mesos.", 1, [(1, ["x" * 16], b"", 0)]),
        ("web.mesos.", 1, [(1, [bytearray(RECORD)], b"", 0)]),
        ("web.mesos.", 1, [(1, [b""], b"", 0)]),
        ("web.mesos.", 1, [(1, [RECORD[:11]], b"", 0)]),
        ("web.mesos.", 1, [RRSET, (1, [RECORD, b""], b"", 0)]),
        ("web.mesos.", 1, [(1, [RECORD] * 65_536, b"", 0)]),
        ("web.mesos.", 1, [(1, [RECORD], None, 0)]),
        ("web.mesos.", 1, [(1, [RECORD], "", 0)]),
        ("web.mesos.", 1, [(1, [RECORD], b"", -1)]),
        ("web.mesos.", 1, [(1, [RECORD], b"", 65_536)]),
    ],
)
def test_a_table_is_not_taught(table: Any, given: tuple[Any, ...]) -> None:
    table.teach(*WEB)
    answer, size = table.answer(QUERY), table.size
    with pytest.raises((TypeError, ValueError, OverflowError)):
        table.teach(*given)
    assert (table.answer(QUERY), table.size) == (answer, size)


def test_lists_do_not_grow_while_they_are_read(table: Any) -> None:
    records = [RECORD]
    grows = Number(lambda: records.extend([RECORD] * 10_000))
    for rrsets in ([(1, records, b"", grows)], [(1, records, b"", 0), (grows, [RECORD], b"", 0)]):
        with pytest.raises(ValueError, match="number"):
            table.teach("web.mesos.", 1, rrsets)
    assert records == [RECORD]


@pytest.mark.parametrize("extra", [b"", b"x" * 1_232, b"x" * 70_000])
@pytest.mark.parametrize("number", [1, 200, 65_535])
def test_long_lists_are_taken(table: Any, number: int, extra: bytes) -> None:
    table.teach("web.mesos.", 1, [(type_, [RECORD] * number, extra, 1) for type_ in range(16)])
    answer = table.answer(QUERY)
    assert answer[6:8] == (number if number == 1 else 0).to_bytes(2)
    assert bool(answer[2] & 2) == (number > 1)
    assert table.size < 200_000


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("deny", ()),
        ("deny", (2, SOA)),
        ("deny", (-1, SOA)),
        ("deny", (256, SOA)),
        ("deny", ("1", SOA)),
        ("deny", (1, "SOA" * 9)),
        ("deny", (1, b"")),
        ("deny", (1, SOA[:9])),
        ("deny", (1, bytes(4_097))),
        ("deny", (1, bytearray(SOA))),
        ("mark", (1, "web.mesos.")),
        ("mark", (0, "web.mesos.", True)),
        ("mark", (2, "web.mesos.", True)),
        ("mark", (1, "web.in.mesos.", True)),
        ("mark", (1, b"web.mesos.", True)),
        ("mark", (1, "web.mesos", True)),
        ("mark", (1, "xmesos.", True)),
        ("forget", (None,)),
        ("forget", (b"web.mesos.",)),
        ("forget", ("web",)),
        ("forget", ()),
        ("known", (None,)),
        ("known", ([None],)),
        ("answer", (None,)),
        ("answer", ("",)),
        ("answer", (bytearray(QUERY),)),
        ("asked", (None,)),
        ("asked", (memoryview(QUERY),)),
        ("counts", (1,)),
    ],
)
def test_a_table_refuses(table: Any, method: str, given: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, IndexError)):
        getattr(table, method)(*given)


def test_what_a_name_list_raises_is_raised(table: Any) -> None:
    def names() -> Iterator[str]:
        table.teach(*WEB)
        yield "web.mesos."
        table.forget("web.mesos.")
        yield "web.mesos."
        raise LookupError

    with pytest.raises(LookupError):
        table.known(names())


@pytest.mark.parametrize("size", [0, 1, 11, 12, 17, 4_096, 70_000])
def test_no_length_of_a_query_is_too_much(table: Any, size: int) -> None:
    table.teach(*WEB)
    assert table.answer(QUERY.ljust(size, b"\0")[:size]) is None
    assert table.answer(bytes(size)) is None


# What is kept, and given back.


def test_a_table_gives_back_what_it_took(table: Any) -> None:
    size = table.size
    for number in range(5):
        table.mark(1, f"{number}.mesos.", True)
        table.teach(f"{number}.mesos.", 1, [(type_, [RECORD] * 9, RECORD, 1) for type_ in range(9)])
        table.deny(1, SOA)
    assert table.size > size + 5 * 9 * 10 * len(RECORD)
    for number in range(5):
        table.mark(1, f"{number}.mesos.", False)
        table.forget(f"{number}.mesos.")
    table.deny(1, None)
    assert table.size == size


def test_no_reference_is_lost_or_kept(native: Any, table: Any) -> None:
    name, record, extra, soa = "web." + ZONES[1][0], bytes(16), bytes(20), bytes(12)
    query, address = bytes(bytearray(QUERY)), bytes(bytearray(MAPPED))
    rrset = (1, [record], extra, 1)
    rrsets, zones, exempt = [rrset], [(name, 0)], [(address, 8)]
    held = (name, record, extra, soa, query, address, rrset, rrsets, zones, exempt, None, True)

    def all_once() -> None:
        native.Table(zones, RA, 1232, exempt, 1)
        table.teach(name, 1, rrsets)
        table.deny(1, soa)
        table.deny(1, None)
        table.mark(1, name, True)
        table.mark(1, name, False)
        table.known([name, name])
        table.answer(query)
        table.asked(query)
        table.counts()
        table.forget(name)
        for refused in ((name, 1, [(1, [record, None], extra, 1)]), (name, 0, rrsets)):
            with pytest.raises((TypeError, ValueError)):
                table.teach(*refused)
        with pytest.raises(TypeError):
            table.known([name, name, None])
        with pytest.raises(ValueError, match="octets"):
            native.Table(zones, RA, 1, exempt, 1)

    all_once()
    before = [sys.getrefcount(each) for each in held[:-2]]
    for _ in range(200):
        all_once()
    assert [sys.getrefcount(each) for each in held[:-2]] == before
    gc.collect()
    tracemalloc.start()
    try:
        all_once()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            all_once()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 10_000
    finally:
        tracemalloc.stop()


def test_tables_come_and_go(native: Any) -> None:
    def made() -> None:
        table = native.Table(ZONES, RA, 1232, [], -1)
        table.teach("web.mesos.", 1, [(1, [RECORD] * 50, RECORD, 1)])
        table.deny(1, SOA)

    for _ in range(200):
        made()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4_000):  # of 40,000 octets each
        made()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


# Servers.


def test_a_server_answers_and_passes_up(native: Any, table: Any, sockets: Sockets) -> None:
    server = served(native, table, sockets)
    passed = sockets.passed()
    assert passed[:2] == b"\x10\0"
    assert passed[6:10] == socket.inet_aton("127.0.0.1")
    assert passed[18:] == QUERY
    table.teach(*WEB)
    assert sockets.asked()[-16:] == RECORD
    server.stop()
    queries, durations, nanoseconds, up, overflow = server.counts()
    assert (queries, sum(durations), up, overflow) == ([(1, 0, 1)], 1, 1, 0)
    assert nanoseconds > 0


def test_a_server_keeps_its_table(native: Any, table: Any, sockets: Sockets) -> None:
    table.teach(*WEB)
    count = sys.getrefcount(table)
    server = served(native, table, sockets)
    assert sys.getrefcount(table) == count + 1
    other = native.Table(ZONES, RA, 1232, [], -1)
    other.teach(*WEB)
    server.use(other)
    assert sys.getrefcount(table) == count
    del other
    gc.collect()
    assert sockets.asked()[-16:] == RECORD
    server.use(table)
    del server
    assert sys.getrefcount(table) == count


def test_a_server_may_be_stopped_again_and_used_after(
    native: Any, table: Any, sockets: Sockets
) -> None:
    server = served(native, table, sockets)
    assert server.stop() is None
    assert server.stop() is None
    assert server.use(table) is None
    assert server.counts()[3:] == (0, 0)


def pages() -> int:
    """Return how much of its address space this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[0])


def test_servers_come_and_go(native: Any, table: Any, sockets: Sockets) -> None:
    table.teach(*WEB)
    opened, threads = (Path(f"/proc/self/{kind}") for kind in ("fd", "task"))
    before = len([*opened.iterdir()]), len([*threads.iterdir()])

    def come_and_go() -> None:
        server = served(native, table, sockets)
        assert sockets.asked()[-16:] == RECORD
        server.use(table)

    come_and_go()
    size = pages()
    for _ in range(100):  # of 600,000 octets each
        come_and_go()
    assert (pages() - size) * resource.getpagesize() < 32 << 20
    assert (len([*opened.iterdir()]), len([*threads.iterdir()])) == before


def test_a_server_is_of_the_internet(native: Any, table: Any, sockets: Sockets) -> None:
    up = sockets.up.fileno()
    for number in (-1, up, 1 << 20):
        count = sys.getrefcount(table)
        with pytest.raises(OSError, match="Errno"):
            native.Server(table, number, up, "none")
        assert sys.getrefcount(table) == count
    for given in ((None, 0, 0, ""), (table, None, 0, ""), (table, 0, 0, None), (table, 0, 0), ()):
        with pytest.raises(TypeError):
            native.Server(*given)
    with pytest.raises(ValueError, match="null"):
        native.Server(table, sockets.socket.fileno(), up, "a\0b")


def test_a_server_uses_tables_only(native: Any, table: Any, sockets: Sockets) -> None:
    server = served(native, table, sockets)
    for given in (None, object(), server, native.Table, native):
        with pytest.raises(TypeError):
            server.use(given)
    table.teach(*WEB)
    assert sockets.asked()[-16:] == RECORD


def test_the_module_may_be_loaded_again(
    native: Any, table: Any, sockets: Sockets, load: Callable[[], ModuleType]
) -> None:
    again = load()
    assert again is not native
    table.teach(*WEB)
    for module in (again, native):
        server = served(module, table, sockets)
        server.use(again.Table(ZONES, RA, 1232, [], -1))
        sockets.passed()
        server.use(table)
        assert sockets.asked()[-16:] == RECORD
        server.stop()


def test_threads_of_python_may_all_use_a_server(native: Any, sockets: Sockets) -> None:
    def made() -> Any:
        table = native.Table(ZONES, RA, 1232, [], -1)
        table.teach(*WEB)
        return table

    server = served(native, made(), sockets)

    enough = threading.Event()

    def use() -> None:
        while not enough.is_set():
            server.use(made())

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            assert sockets.asked()[-16:] == RECORD
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    stops = [threading.Thread(target=server.stop) for _ in range(4)]
    for thread in stops:
        thread.start()
    for thread in stops:
        thread.join()
    assert server.counts()[0] == [(1, 0, 100)]


def test_a_table_is_changed_while_a_server_reads_it(
    native: Any, table: Any, sockets: Sockets
) -> None:
    table.deny(1, SOA)
    server = served(native, table, sockets)
    for number in range(300):
        table.teach("web.mesos.", 1, [(1, [RECORD] * (number % 9 + 1), b"", 0)])
        assert sockets.asked()[6:8] == (number % 9 + 1).to_bytes(2)
        table.forget("web.mesos.")
        assert sockets.asked()[3] == 3
    server.stop()
    assert server.counts()[0] == [(1, 0, 300), (1, 2, 300)]


def test_a_child_process_stops_nothing(native: Any, table: Any, sockets: Sockets) -> None:
    table.teach(*WEB)
    server = served(native, table, sockets)
    child = os.fork()
    if not child:
        server.use(table)
        server.stop()
        del server
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    assert sockets.asked()[-16:] == RECORD
    server.stop()
