import os
import socket
from pathlib import Path

import pytest

from pointsman.config import Config, DiscoveryConfig, DnsConfig, HttpConfig, VipConfig
from pointsman.dns.endpoints import Endpoint
from pointsman.healthcheck.settings import HealthConfig
from pointsman.node_facts import capabilities, facts, files, resolvers, sockets

STATUS = "Name:\tpython3\nCapInh:\t0000000000000000\nCapEff:\t0000000000001400\n"

UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  101: 0B00000A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 x 0
  102: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 x 0
  103: 0B00000A:0036 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43 2 x 0
  104: 0B00000A:0035 0200000A:9999 01 00000000:00000000 00:00000000 00000000     0        0 44 2 x 0
  105: 0C00000A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 45 2 x 0
"""

UDP6 = (
    UDP.splitlines()[0]
    + "\n  1: 000000FD000000000000000001000000:0035 0:0 07 0:0 0:0 0 0 0 51 2 x 0\n"
)


def test_what_a_process_may_is_read_from_its_status() -> None:
    assert capabilities(STATUS) == {"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"}
    assert capabilities("Name:\tx\n") == frozenset()


def test_servers_of_a_resolv_conf() -> None:
    text = "# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.1\nnameserver\nnameserver ::1 \n"
    assert resolvers(text) == ("10.0.0.1", "::1")


@pytest.mark.parametrize(
    ("listing", "host", "inodes"),
    [
        (UDP, "10.0.0.11", ["41", "42"]),
        (UDP, "0.0.0.0", ["41", "42", "45"]),
        (UDP, "10.0.0.13", ["42"]),
        (UDP6, "fd00::1", ["51"]),
        (UDP6, "fd00::2", []),
    ],
)
def test_sockets_that_keep_others_from_an_address(
    listing: str, host: str, inodes: list[str]
) -> None:
    assert list(sockets(listing, Endpoint(host, 53))) == inodes


def test_files_are_read_as_a_start_reads_them_and_all_that_is_wrong_is_told(
    tmp_path: Path,
) -> None:
    none = str(tmp_path / "none")
    config = Config(
        dns=DnsConfig(records_file=none, cookie_secret_file=none),
        health=HealthConfig(commands={"queue": (none,)}),
    )
    found = files(config)
    keys = [one.partition(":")[0] for one in found]
    assert keys == ["dns.records_file", "dns.cookie_secret_file", "health.commands.queue"]
    assert files(Config()) == ()


def node(tmp_path: Path, port: int = 9053, http: str = "") -> Config:
    """Return the configuration of a node that would listen on a port of the loopback."""
    return Config(
        state_dir=str(tmp_path / "state/below"),
        discovery=DiscoveryConfig(masters=("127.0.0.1:1",)),
        dns=DnsConfig(listen=(f"127.0.0.1:{port}",)),
        vip=VipConfig(enabled=False),
        http=HttpConfig(http),
    )


def test_a_free_port_stays_free(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    for _ in range(2):
        found = facts(node(tmp_path, port), offline=True).ports
        assert [(one.where, one.problem) for one in found] == [
            (f"UDP 127.0.0.1:{port}", ""),
            (f"TCP 127.0.0.1:{port}", ""),
        ]


def test_who_holds_a_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        udp, tcp = facts(node(tmp_path, port), offline=True).ports
    assert (udp.problem, tcp.reason, tcp.ours) == ("", "taken", False)
    assert any(f"({os.getpid()})" in one for one in tcp.holders)


def test_this_host(tmp_path: Path) -> None:
    """What there is everywhere."""
    found = facts(node(tmp_path, 53), offline=True)
    assert "lo" in found.interfaces
    assert "net.ipv4.ip_forward" in found.sysctls
    assert found.own == {"127.0.0.1"}
    assert found.state_dir == ""
    assert not (tmp_path / "state").exists()
    assert found.masters == ()
    assert Path("/proc/self/comm").read_text().strip() in found.running


def test_modules_and_resolvers_are_those_of_the_root(tmp_path: Path) -> None:
    modules = tmp_path / "lib/modules" / os.uname().release
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/ip_vs.ko.xz: kernel/lib/x.ko\n")
    (modules / "modules.builtin").write_text("kernel/drivers/net/dummy.ko\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 10.0.0.53\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text(STATUS)
    found = facts(node(tmp_path), offline=True, root=tmp_path)
    assert found.modules == {"ip_vs": "loadable", "ip_vs_wlc": "missing", "dummy": "loaded"}
    assert found.resolvers == ("10.0.0.53",)


def test_what_runs_in_a_virtual_machine_is_called_by_its_own_name(tmp_path: Path) -> None:
    for number, name, command in (
        ("7", "beam.smp", "/opt/erts/beam.smp\0-root\0/opt/dcos-net\0"),
        ("8", "beam.smp", "/opt/erts/beam.smp\0-root\0/opt/rabbitmq\0"),
        ("9", "keepalived", "/usr/sbin/keepalived\0"),
    ):
        (tmp_path / "proc" / number).mkdir(parents=True)
        (tmp_path / "proc" / number / "comm").write_text(f"{name}\n")
        (tmp_path / "proc" / number / "cmdline").write_text(command)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/status").write_text(STATUS)
    found = facts(node(tmp_path), offline=True, root=tmp_path)
    assert found.running == {"dcos-net", "beam.smp", "keepalived"}


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert facts(node(tmp_path), offline=True).state_dir == f"{tmp_path / 'state'} is no folder"


def test_masters_are_asked_unless_offline(tmp_path: Path) -> None:
    (found,) = facts(node(tmp_path), offline=False).masters
    assert (found.address, found.outcome) == ("127.0.0.1:1", "refused")
