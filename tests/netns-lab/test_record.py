import itertools
import subprocess
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.watch import record
from pointlab.watch.record import Sight, Watch, real_servers
from pointlab.watch.recording import Seen, Span

TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0BE124C1:0050 wlc  
  -> 0A1F000C:2710      Masq    1      0          2         
  -> 0A1F000B:2710      Masq    0      0          1         
UDP  0BE124C1:0050 wlc  
  -> 0A1F000D:2710      Masq    1      0          0         
TCP  0BE124C1:0051 wlc  
  -> 0A1F000D:2711      Masq    1      0          0         
TCP  [fd01:000c:0000:0000:ac5f:f353:6c7c:28e1]:0050 wlc  
  -> [fd00:0031:0000:0000:0000:0000:0000:000b]:7918      Masq    1      0          0         
  -> [fd00:0031:0000:0000:0000:0000:0000:000c]:7919      Masq    0      0          0         
TCP  0BE124C1:0053 wlc  
"""  # noqa: W291 - as the kernel prints it


def test_real_servers_are_those_of_the_virtual_server_with_a_weight() -> None:
    assert real_servers(TABLE, "11.225.36.193", 80) == {("10.31.0.12", 10_000)}
    assert real_servers(TABLE, "11.225.36.193", 81) == {("10.31.0.13", 10_001)}


def test_virtual_server_that_is_not_there_has_none() -> None:
    assert real_servers(TABLE, "11.225.36.193", 82) == set()
    assert real_servers("", "11.225.36.193", 80) == set()


def test_real_servers_of_ipv6_are_written_the_short_way() -> None:
    assert real_servers(TABLE, "fd01:c::ac5f:f353:6c7c:28e1", 80) == {("fd00:31::b", 31_000)}


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace of this test's own, where that is allowed."""
    name = "watch-test"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("namespaces can't be made here")
    yield name
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def test_table_of_no_namespace_is_that_of_no_host(namespace: str) -> None:
    table = record.Table(namespace)
    look = record.held(table, "11.0.0.1", 80)
    assert look().status in ("no virtual server", "no table")  # as the kernel has ip_vs or not
    subprocess.run(["ip", "netns", "delete", namespace], check=True)
    assert look() == Seen(status="no host")
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    assert look().status in ("no virtual server", "no table")
    table.close()


def test_the_same_seen_again_is_one_span() -> None:
    one, two = Seen(frozenset({("10.31.0.11", 31_000)})), Seen(status="timeout")
    sight = Sight("agent1", "srv", Seen)
    for at, seen in enumerate([one, one, two, one]):
        sight.add(at, seen)
    assert sight.view().spans == (
        Span(0, 1, 2, one.endpoints),
        Span(2, 2, 1, frozenset(), "timeout"),
        Span(3, 3, 1, one.endpoints),
    )


@given(st.lists(st.sampled_from([Seen(), Seen(status="timeout"), Seen(frozenset({("a", 1)}))])))
def test_no_look_is_lost(seen: list[Seen]) -> None:
    sight = Sight("agent1", "srv", Seen)
    for at, one in enumerate(seen):
        sight.add(at, one)
    spans = sight.view().spans
    again = [Seen(s.endpoints, s.status) for s in spans for _ in range(s.count)]
    assert again == seen
    assert all(a.last < b.first for a, b in itertools.pairwise(spans))


def test_one_thread_looks_at_several_nodes() -> None:
    done = threading.Event()

    def look() -> Seen:
        done.set()
        return Seen()

    sights = [Sight("agent1", "kernel", Seen), Sight("agent2", "kernel", look)]
    watch = Watch(sights, 0.001)
    watch.start()
    assert done.wait(10)
    watch.stop()
    assert all(sight.view().spans for sight in sights)
