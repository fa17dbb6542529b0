"""What Python sees of the responder: it answers what it was taught, and serves."""

import gc
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

Rrset: TypeAlias = tuple[int, list[bytes], list[str]]

QUERY = b"id\1\0\0\1\0\0\0\0\0\0\3web\5mesos\0\0\1\0\1"
RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
HOST = b"\xc0\x0c\0\x21\0\1\0\0\0\x3c\0"
SOA = b"\0\6\0\1\0\0\0\x3c\0\4SOA!"
ZONES = [("in.mesos.", 0), ("mesos.", 1)]
WEB: tuple[str, int, list[Rrset]] = ("web.mesos.", 1, [(1, [RECORD], [])])
MAPPED = b"\0" * 10 + b"\xff\xff" + b"\x7f\0\0\0"
RA = 0x8400
PATIENCE = 60


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


def service(*targets: str) -> Rrset:
    """Return records of type SRV that end in these names."""
    sizes = [len(target) + 7 for target in targets]
    return 33, [HOST + bytes([size]) + bytes(6) for size in sizes], [*targets]


def test_addresses_of_targets_go_along(table: Any) -> None:
    query = QUERY.replace(b"\3web", b"\2_s").replace(b"\0\1\0\1", b"\0\x21\0\1")
    table.teach("_s.mesos.", 1, [service("web.mesos.", "web.mesos.")])
    assert table.answer(query) is None
    table.teach(*WEB)
    record = HOST + b"\x11" + bytes(6) + b"\3web\5mesos\0"
    head = b"id\x85\0\0\1\0\2\0\0\0\1" + query[12:]
    assert table.answer(query) == head + record * 2 + b"\3web\xc0\x0f" + RECORD[2:]
    table.teach("web.mesos.", 1, [])
    assert table.answer(query) == head[:11] + b"\0" + head[12:] + record * 2
    table.forget("web.mesos.")
    assert table.answer(query) is None


def test_python_is_asked_about_what_has_no_record(table: Any) -> None:
    table.deny(1, SOA)
    table.teach("web.mesos.", 1, [(1, [], []), (28, [RECORD], [])])
    assert table.answer(QUERY) is None
    assert table.answer(QUERY.replace(b"\0\1\0\1", b"\0\x1c\0\1"))[-16:] == RECORD
    assert table.answer(QUERY.replace(b"\0\1\0\1", b"\0\2\0\1"))[-len(SOA) :] == SOA


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
        table.teach("web.mesos.", 1, [(1, [RECORD] * (number % 9 + 1), [])])
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
