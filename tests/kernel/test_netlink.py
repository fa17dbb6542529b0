"""The codec against a real kernel, with ipvsadm as the second opinion."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pointsman.discovery.errors import Fatal, Transient
from pointsman.vip import messages
from pointsman.vip.diff import diff
from pointsman.vip.model import (
    AddReal,
    AddServer,
    Change,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    SetReal,
    SetServer,
    Settings,
    Table,
    VirtualServer,
)
from pointsman.vip.netlink import INTERRUPTED, INTERRUPTIONS, Ipvs

V4, V6 = Key(Protocol.TCP, "11.1.2.3", 80), Key(Protocol.UDP, "fd01:c::1", 53)
SCTP = Key(Protocol.SCTP, "11.1.2.4", 80)
MARK, MARK6 = Key(0, "0.0.0.0", 0, 7), Key(0, "::", 0, 8)
ONE, TWO, SIX = Endpoint("10.0.0.1", 31000), Endpoint("10.0.0.2", 31000), Endpoint("fd00::1", 53)


def ipvsadm(*words: str, given_: str | None = None) -> list[str]:
    done = subprocess.run(
        ["ipvsadm", *words], input=given_, capture_output=True, text=True, check=True
    )
    return sorted(done.stdout.splitlines())


def changes_to(table: Table) -> tuple[Change, ...]:
    return diff({}, table, lambda _: True)


def test_ipvsadm_sees_exactly_what_was_added() -> None:
    table = {
        V4: VirtualServer(Settings(), {ONE: RealServer(3, upper=9, lower=2), TWO: RealServer(0)}),
        V6: VirtualServer(Settings("rr"), {SIX: RealServer()}),
        SCTP: VirtualServer(Settings("mh", flags=0x18), {}),
        MARK: VirtualServer(
            Settings("sh", flags=1 | 8, persistence=60, netmask=24),
            {
                Endpoint("10.0.0.2", 0): RealServer(1, Forwarding.DIRECT),
                Endpoint("10.0.0.3", 0): RealServer(
                    1, Forwarding.TUNNEL, tunnel_type=1, tunnel_port=6080
                ),
            },
        ),
        MARK6: VirtualServer(Settings("lblcr"), {}),
    }
    with Ipvs() as ipvs:
        assert ipvs.apply(changes_to(table)) == ()
        assert ipvsadm("-Sn") == sorted([
            "-A -t 11.1.2.3:80 -s wlc",
            "-a -t 11.1.2.3:80 -r 10.0.0.1:31000 -m -w 3",
            "-a -t 11.1.2.3:80 -r 10.0.0.2:31000 -m -w 0",
            "-A -u [fd01:c::1]:53 -s rr",
            "-a -u [fd01:c::1]:53 -r [fd00::1]:53 -m -w 1",
            "-A --sctp-service 11.1.2.4:80 -s mh -b mh-fallback,mh-port",
            "-A -f 7 -s sh -p 60 -M 255.255.255.0 -b sh-fallback",
            "-a -f 7 -r 10.0.0.2:0 -g -w 1",
            "-a -f 7 -r 10.0.0.3:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-A -f 8 -6 -s lblcr",
        ])  # fmt: skip
        limits = [line.split() for line in ipvsadm("-Ln", "--thresholds") if "10.0.0.1" in line]
        assert limits == [["->", "10.0.0.1:31000", "9", "2", "0", "0"]]
        assert ipvs.table() == table


def test_what_ipvsadm_added_is_read_back() -> None:
    lines = (
        "-A -t 11.1.2.3:80 -s wrr -p 300",
        "-a -t 11.1.2.3:80 -r 10.0.0.1:31000 -m -w 5",
        "-A -u [fd01:c::1]:53 -s sed",
        "-a -u [fd01:c::1]:53 -r [fd00::1]:53 -m -w 2",
    )
    ipvsadm("-R", given_="\n".join(lines) + "\n")
    with Ipvs() as ipvs:
        assert ipvs.table() == {
            V4: VirtualServer(Settings("wrr", flags=1, persistence=300), {ONE: RealServer(5)}),
            V6: VirtualServer(Settings("sed"), {SIX: RealServer(2)}),
        }


def test_every_kind_of_change_is_made() -> None:
    with Ipvs() as ipvs:
        assert ipvs.apply([AddServer(V4, Settings()), AddReal(V4, ONE, RealServer())]) == ()
        assert ipvs.apply([SetServer(V4, Settings("rr")), SetReal(V4, ONE, RealServer(0))]) == ()
        assert ipvs.table() == {V4: VirtualServer(Settings("rr"), {ONE: RealServer(0)})}
        assert ipvs.apply([DeleteReal(V4, ONE)]) == ()
        assert ipvs.table() == {V4: VirtualServer(Settings("rr"), {})}
        assert ipvs.apply([DeleteServer(V4)]) == ()
        assert ipvs.table() == {}


def test_a_refused_change_is_told_and_the_others_are_made() -> None:
    again, unknown = AddServer(V4, Settings()), AddServer(SCTP, Settings("nosuch"))
    early, absent = AddReal(V6, SIX, RealServer()), DeleteReal(V4, TWO)
    changes: list[Change] = [again, again, unknown, early, AddReal(V4, ONE, RealServer()), absent]
    with Ipvs() as ipvs:
        failures = ipvs.apply(changes)
        assert [(f.change, f.errno) for f in failures] == [
            (again, errno.EEXIST),
            (unknown, errno.ENOENT),
            (early, errno.ESRCH),
            (absent, errno.ENOENT),
        ]
        assert ipvs.table() == {V4: VirtualServer(Settings(), {ONE: RealServer()})}


def test_thousands_of_changes_go_in_a_few_batches() -> None:
    reals = {Endpoint(f"10.1.{n // 250}.{n % 250}", 80): RealServer() for n in range(3000)}
    table = {V4: VirtualServer(Settings(), reals)}
    with Ipvs() as ipvs:
        assert ipvs.apply(changes_to(table)) == ()
        assert ipvs.table() == table
        # More refusals than a default receive buffer has room for.
        failures = ipvs.apply(changes_to(table))
        assert len(failures) == 3001


def test_after_lost_answers_the_table_is_still_read_right() -> None:
    reals = {Endpoint(f"10.1.{n // 250}.{n % 250}", 80): RealServer() for n in range(1000)}
    table = {V4: VirtualServer(Settings(), reals)}
    with Ipvs() as ipvs:
        assert ipvs.apply(changes_to(table)) == ()
        # Room for a few refusals, of a thousand.
        ipvs._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(2):
            with pytest.raises(Transient):
                ipvs.apply(changes_to(table))
            assert ipvs.table() == table


def test_a_late_answer_is_not_taken_for_that_of_the_next_question() -> None:
    with Ipvs() as ipvs:
        timeouts = ipvs.timeouts()
        ipvs._send(messages.request(messages.GET_INFO, ipvs._family, ipvs._sequence()))
        assert ipvs.timeouts() == timeouts


class Interrupting:
    """A netlink socket on which so many dumps end as one does that somebody's change met."""

    def __init__(self, real: Any, times: int) -> None:
        self.real = real
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def recv_into(self, buffer: memoryview, flags: int = 0) -> int:
        length = int(self.real.recv_into(buffer, flags=flags))
        if self.times and int.from_bytes(buffer[4:6], sys.byteorder) == messages.DONE:
            buffer[6] |= messages.INTERRUPTED
            self.times -= 1
        return length


READERS: list[Callable[[Ipvs], object]] = [
    Ipvs.table,
    Ipvs.traffic,
    lambda ipvs: ipvs.activity([V4]),
]


@pytest.mark.parametrize("read", READERS, ids=["table", "traffic", "activity"])
def test_a_dump_that_a_change_met_is_begun_anew(read: Callable[[Ipvs], object]) -> None:
    with Ipvs() as ipvs:
        ipvs.apply(changes_to({V4: VirtualServer(Settings(), {ONE: RealServer()})}))
        expected = read(ipvs)
        met: Any = Interrupting(ipvs._socket, INTERRUPTIONS - 1)
        ipvs._socket = met
        assert read(ipvs) == expected
        assert met.times == 0


@pytest.mark.parametrize("read", READERS, ids=["table", "traffic", "activity"])
def test_a_dump_that_changes_meet_each_time_is_given_up(read: Callable[[Ipvs], object]) -> None:
    with Ipvs() as ipvs:
        ipvs.apply(changes_to({V4: VirtualServer(Settings(), {ONE: RealServer()})}))
        met: Any = Interrupting(ipvs._socket, INTERRUPTIONS)
        ipvs._socket = met
        with pytest.raises(Transient, match=INTERRUPTED):
            read(ipvs)
        assert met.times == 0
        read(ipvs)


def test_signals_do_not_disturb_what_is_read_or_changed() -> None:
    came = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came += 1

    reals = {Endpoint(f"10.1.0.{n}", 80): RealServer() for n in range(200)}
    table = {V4: VirtualServer(Settings(), reals)}
    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with Ipvs() as ipvs:
            while came < 50:
                assert ipvs.apply(changes_to(table)) == ()
                assert ipvs.table() == table
                ipvs.flush()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_cops_5229_twenty_thousand_real_servers_are_read_back() -> None:
    table = {
        Key(Protocol.TCP, f"11.0.{n >> 8}.{n & 255}", 80): VirtualServer(
            Settings(),
            {Endpoint(f"10.{r}.{n >> 8}.{n & 255}", 80): RealServer() for r in range(10)},
        )
        for n in range(2000)
    }
    with Ipvs() as ipvs:
        assert ipvs.apply(changes_to(table)) == ()
        assert ipvs.table() == table
        assert diff(ipvs.table(), table, lambda _: True) == ()
        assert ipvs.traffic().keys() == table.keys()


def test_an_error_that_the_kernel_answers_with_is_told() -> None:
    with Ipvs() as ipvs, pytest.raises(Transient, match="Invalid argument"):
        ipvs._ask(messages.NEW_SERVICE)


def test_the_version_and_the_timeouts() -> None:
    with Ipvs() as ipvs:
        version, size = ipvs.info()
        assert version.startswith("1.2.")
        assert size >= 256
        ipvs.set_timeouts(tcp=1000, udp=77)
        tcp, _, udp = ipvs.timeouts()
        assert (tcp, udp) == (1000, 77)


def test_flush_deletes_all() -> None:
    with Ipvs() as ipvs:
        ipvs.apply(changes_to({V4: VirtualServer(Settings(), {ONE: RealServer()})}))
        ipvs.flush()
        assert ipvs.table() == {}


def test_without_the_right_the_message_says_what_to_do() -> None:
    code = (
        "from pointsman.vip.netlink import Ipvs\n"
        "from pointsman.discovery.errors import Fatal\n"
        "try: Ipvs()\n"
        "except Fatal as error: print(error)\n"
    )
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-c",
         code], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "CAP_NET_ADMIN" in done.stdout
    assert Fatal.__name__ not in done.stderr


def test_a_connection_survives_a_restart_and_an_equal_table() -> None:
    subprocess.run(["ip", "address", "add", "11.1.2.3/32", "dev", "lo"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = Endpoint("127.0.0.1", server.getsockname()[1])
        table = {V4: VirtualServer(Settings(), {endpoint: RealServer()})}

        def echo() -> None:
            with server.accept()[0] as connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        with Ipvs() as ipvs:
            ipvs.apply(changes_to(table))
        with socket.create_connection(("11.1.2.3", 80), timeout=5) as client:
            client.sendall(b"before")
            assert client.recv(100) == b"before"
            with Ipvs() as ipvs:
                assert diff(ipvs.table(), table, lambda _: True) == ()
                assert ipvs.sent == 0
            client.sendall(b"after")
            assert client.recv(100) == b"after"
        thread.join()


endpoints4 = st.sampled_from([ONE, TWO, Endpoint("10.0.0.3", 80)])
endpoints6 = st.sampled_from([SIX, Endpoint("fd00::2", 53)])
reals = st.builds(
    RealServer, st.integers(0, 100), st.sampled_from([0, 2, 3]), st.integers(0, 9), st.just(0)
)
settings_ = st.builds(Settings, st.sampled_from(["wlc", "rr", "mh", "sed"]))
tables = st.fixed_dictionaries(
    {},
    optional={
        V4: st.builds(VirtualServer, settings_, st.dictionaries(endpoints4, reals)),
        SCTP: st.builds(VirtualServer, settings_, st.dictionaries(endpoints4, reals)),
        V6: st.builds(VirtualServer, settings_, st.dictionaries(endpoints6, reals)),
    },
)
FOREIGN = Key(Protocol.TCP, "192.0.2.1", 443)


@pytest.fixture
def kernel() -> Iterator[Ipvs]:
    with Ipvs() as ipvs:
        ipvs.apply(changes_to({FOREIGN: VirtualServer(Settings("rr"), {ONE: RealServer(7)})}))
        yield ipvs


@hypothesis_settings(
    max_examples=int(os.environ.get("POINTSMAN_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wanted=tables)
def test_any_table_is_reached_from_the_last_in_one_pass(
    kernel: Ipvs, wanted: dict[Key, VirtualServer]
) -> None:
    def ours(key: Key) -> bool:
        return key != FOREIGN

    assert kernel.apply(diff(kernel.table(), wanted, ours)) == ()
    after = kernel.table()
    assert after[FOREIGN] == VirtualServer(Settings("rr"), {ONE: RealServer(7)})
    assert {k: v for k, v in after.items() if ours(k)} == wanted
    sent = kernel.sent
    assert diff(after, wanted, ours) == ()
    assert kernel.sent == sent
