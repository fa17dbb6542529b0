from pathlib import Path

import pytest

from pointsman.vip.memory import MemoryIpvs, MemorySettings
from pointsman.vip.model import (
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    Settings,
    VirtualServer,
)
from pointsman.vip.owned import Memory, Owned
from pointsman.vip.parts import Wants
from pointsman.vip.surroundings import Surroundings
from pointsman.vip.sync import Daemon, Sync, wanted

V4, V6 = Key(Protocol.TCP, "11.0.0.1", 80), Key(Protocol.TCP, "fd01:c::1", 80)
CONNTRACK = "net.ipv4.vs.conntrack"


class Box:
    """A kernel in memory, with a file that outlives who uses it."""

    def __init__(self, folder: Path) -> None:
        self.servers = MemoryIpvs()
        self.settings = MemorySettings()
        self.owned = Owned(folder / "owned.json")

    def ensure(self, wants: Wants) -> tuple[int, list[str]]:
        complaints: list[str] = []
        return self.around(wants).ensure(complaints), complaints

    def allow(self, key: Key, scheduler: str, forwarding: int, wants: Wants) -> None:
        real = RealServer(forwarding=forwarding)
        server = VirtualServer(Settings(scheduler), {Endpoint("10.0.0.1", 80): real})
        self.around(wants).allow({key: server}, [])

    def around(self, wants: Wants) -> Surroundings:
        return Surroundings(self.servers, self.settings, self.owned, wants)

    def flush(self) -> int:
        return self.around(Wants()).restore(self.owned.memory)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_settings_and_timeouts_are_set_once_and_set_back(box: Box) -> None:
    wants = Wants(sysctls={CONNTRACK: "1"}, timeouts=(7200, 0, 77))
    before = box.servers.timeouts()
    assert box.ensure(wants) == (2, [])
    assert box.ensure(wants) == (0, [])
    assert box.servers.timeouts() == (7200, before[1], 77)
    assert box.around(wants).read() == {
        CONNTRACK: "1",
        "net.ipv4.vs.sloppy_tcp": "0",
        "net.ipv4.conf.all.accept_local": "0",
        "timeouts (tcp, tcp_fin, udp)": f"7200 {before[1]} 77 s",
    }
    assert box.flush() == 2
    assert box.settings.values[CONNTRACK] == "0"
    assert box.servers.timeouts() == before


def test_of_what_was_set_twice_the_first_value_comes_back(box: Box) -> None:
    box.settings.values[CONNTRACK] = "7"
    box.ensure(Wants(sysctls={CONNTRACK: "1"}))
    box.settings.values[CONNTRACK] = "5"  # somebody else
    assert box.ensure(Wants(sysctls={CONNTRACK: "1"})) == (1, [])
    box.flush()
    assert box.settings.values[CONNTRACK] == "7"


def test_what_there_was_is_remembered_before_it_is_changed(box: Box) -> None:
    box.settings.complaint = "killed here"
    box.ensure(Wants(sysctls={CONNTRACK: "1"}))
    assert box.owned.memory.sysctls == {CONNTRACK: "0"}


def test_what_cannot_be_had_is_complained_of_and_the_rest_is_made(box: Box) -> None:
    box.settings.complaint = "read-only"
    daemon = Daemon("master", "eth0", 1)
    wants = Wants(sysctls={CONNTRACK: "1"}, daemons=frozenset({daemon}))
    assert box.ensure(wants) == (1, ["read-only"])
    assert box.servers.daemons() == {daemon}


def test_directors_that_choose_alike_take_over_each_others_connections(box: Box) -> None:
    sloppy = "net.ipv4.vs.sloppy_tcp"
    box.allow(V4, "mh", Forwarding.MASQUERADE, Wants())
    box.allow(V4, "rr", Forwarding.DIRECT, Wants())
    assert sloppy not in box.settings.values
    box.allow(V4, "mh", Forwarding.DIRECT, Wants())
    assert box.settings.values[sloppy] == "1"
    box.flush()
    assert box.settings.values[sloppy] == "0"


def test_ipv6_packets_are_forwarded_once_there_is_an_ipv6_vip(box: Box) -> None:
    forwarding = "net.ipv6.conf.all.forwarding"
    box.allow(V4, "wlc", Forwarding.MASQUERADE, Wants(forwarding=True))
    box.allow(V6, "wlc", Forwarding.MASQUERADE, Wants(forwarding=False))
    assert forwarding not in box.settings.values
    box.allow(V6, "wlc", Forwarding.MASQUERADE, Wants(forwarding=True))
    assert box.settings.values[forwarding] == "1"


def test_connections_are_synchronised_as_configured(box: Box) -> None:
    both, only = wanted(Sync("eth0", 7)), wanted(Sync("eth0", 7, "backup"))
    assert box.ensure(Wants(daemons=both)) == (2, [])
    assert box.servers.daemons() == both
    assert box.ensure(Wants(daemons=both)) == (0, [])
    assert box.ensure(Wants(daemons=only)) == (1, [])
    assert box.servers.daemons() == only
    box.flush()
    assert box.servers.daemons() == frozenset()


def test_somebody_elses_daemon_stays_and_is_complained_of(box: Box) -> None:
    theirs = Daemon("master", "eth9", 1)
    box.servers.start(theirs)
    _, complaints = box.ensure(Wants(daemons=wanted(Sync("eth0"))))
    assert complaints == ["sync daemon master on eth0, id 0: there is one already"]
    # The other one was started before, and is ours to stop.
    assert box.owned.memory == Memory(daemons=frozenset({Daemon("backup", "eth0", 0)}))
    box.flush()
    assert box.servers.daemons() == {theirs}
