"""Virtual servers in a further namespace are there alone."""

import subprocess
from collections.abc import Iterator

import pytest

from pointsman.vip.diff import diff
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.namespaces import inside
from pointsman.vip.netlink import Ipvs

TABLE = {
    Key(Protocol.TCP, "11.1.2.3", 80): VirtualServer(
        Settings(), {Endpoint("10.0.0.1", 31000): RealServer()}
    )
}


@pytest.fixture
def container() -> Iterator[str]:
    """Give the path of a namespace that a process is in."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up; echo in; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"in\n"
        yield f"/proc/{process.pid}/ns/net"
        process.kill()


def test_what_is_opened_inside_programs_that_namespace_for_ever(container: str) -> None:
    with inside(container):
        there = Ipvs()
    with there, Ipvs() as here:
        assert there.apply(diff({}, TABLE, lambda _: True)) == ()
        assert there.table() == TABLE
        assert here.table() == {}
    seen = subprocess.run(
        ["nsenter", f"--net={container}", "ipvsadm", "-Sn"], capture_output=True, check=True
    )
    assert b"-A -t 11.1.2.3:80" in seen.stdout
