"""Probes that go through IPVS find what probes of the real servers themselves can't see."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pointlab.servers.daemon import Daemon, ipvsadm, state, task
from pointlab.site import netns
from pointlab.site.process import wait_for
from pointsman.doubles import MasterDouble
from pointsman.vip.diff import diff
from pointsman.vip.model import Endpoint, Key, RealServer, Settings, VirtualServer
from pointsman.vip.netfilter import Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.paths import LOWEST

NODE = "10.1.0.11"
VIP = "11.1.2.3"
REALS = {"r1": "10.1.0.21", "r2": "10.1.0.22"}
TIMES = "interval=0.3 edge=0.1 timeout=0.3 fall=2 rise=2"


def ip(*lines: str, name: str = "") -> None:
    where = ["-netns", name] if name else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, check=True)


class Box:
    """The program on this node, and two real servers on hosts of their own."""

    def __init__(self, opened: ExitStack, folder: Path) -> None:
        self.opened = opened
        self.folder = folder
        ip("link add br0 type bridge", f"address add {NODE}/24 dev br0", "link set br0 up")
        for name, address in REALS.items():
            ip(f"netns add {name}")
            opened.callback(ip, f"netns delete {name}")
            ip(
                f"link add v-{name} type veth peer name eth0 netns {name}",
                f"link set v-{name} master br0 up",
            )
            ip(
                "link set lo up",
                f"address add {address}/24 dev eth0",
                "link set eth0 up",
                name=name,
            )
            self.serve(name)

    def serve(self, name: str) -> None:
        """Have a host accept connections on port 80."""
        with netns.inside(name):
            listening = socket.create_server(("0.0.0.0", 80))

        def run() -> None:
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=run, daemon=True).start()
        self.opened.callback(listening.close)
        self.opened.callback(listening.shutdown, socket.SHUT_RDWR)

    def start(self, forwarding: str, check: str) -> Daemon:
        labels = {
            "VIP_0": f"{VIP}:80",
            "VIP_0_FORWARDING": forwarding,
            "VIP_0_HEALTHCHECK": f"{check} {TIMES}",
        }
        tasks = [task(f"web.{name}", address, 80, labels=labels) for name, address in REALS.items()]
        master = self.opened.enter_context(MasterDouble(state(*tasks)))
        daemon = Daemon(self.folder, master.address, 'drain = 0\nscheduler = "rr"', node=NODE)
        daemon.start()
        self.opened.callback(daemon.kill)
        return daemon


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with ExitStack() as opened:
        yield Box(opened, tmp_path)


def served() -> list[str]:
    """Return the real servers of the VIP."""
    return [line.split()[4] for line in ipvsadm() if line.startswith(f"-a -t {VIP}:80")]


def marked() -> list[str]:
    """Return the real servers that marks lead to."""
    return [line.split()[4] for line in ipvsadm() if line.startswith("-a -f")]


BOTH = [f"{address}:80" for address in REALS.values()]


def test_a_real_server_that_lost_its_vip_is_found_by_way_of_ipvs_alone(box: Box) -> None:
    for name in REALS:
        ip(f"address add {VIP}/32 dev lo", name=name)
    daemon = box.start("direct", "tcp data-path=yes")
    wait_for(lambda: sorted(marked()) == BOTH, "virtual servers for the probes")
    wait_for(lambda: probed(daemon) > 3, "probes that went through")
    assert sorted(served()) == BOTH
    ip(f"address del {VIP}/32 dev lo", name="r1")
    wait_for(lambda: served() == BOTH[1:], "the end of the one without the address")
    socket.create_connection((REALS["r1"], 80), 2).close()  # by itself it is as ever
    assert daemon.health() == {"web.r1": "lost", "web.r2": "up"}
    ip(f"address add {VIP}/32 dev lo", name="r1")
    wait_for(lambda: sorted(served()) == BOTH, "its return")


def probed(daemon: Daemon) -> float:
    """Return how many probes were good."""
    found = daemon.get("/metrics").splitlines()
    good = (
        line for line in found if 'pointsman_health_probes_total{kind="tcp",outcome="good"' in line
    )
    return sum(float(line.split()[-1]) for line in good)


def test_a_firewall_that_only_clients_of_the_vip_meet_is_found(box: Box) -> None:
    """A rule that is about what is masqueraded: direct probes come from elsewhere."""
    daemon = box.start("masquerade", "tcp data-path=yes")
    wait_for(lambda: sorted(marked()) == BOTH, "virtual servers for the probes")
    wait_for(lambda: probed(daemon) > 3, "probes that went through")
    rule = ["OUTPUT", "-d", REALS["r1"], "-m", "conntrack", "--ctorigdst", VIP, "-j", "DROP"]
    subprocess.run(["iptables-legacy", "-I", *rule], check=True)
    wait_for(lambda: served() == BOTH[1:], "the end of the one that is shut off")
    socket.create_connection((REALS["r1"], 80), 2).close()
    subprocess.run(["iptables-legacy", "-D", *rule], check=True)
    wait_for(lambda: sorted(served()) == BOTH, "its return")


def test_marks_are_gone_with_what_they_were_for(box: Box) -> None:
    daemon = box.start("masquerade", "tcp data-path=yes")
    wait_for(lambda: sorted(marked()) == BOTH, "virtual servers for the probes")
    vips = json.loads(daemon.get("/v1/status"))["virtual_servers"]
    assert [vip["address"] for vip in vips] == [VIP]
    daemon.end()
    daemon.command("flush")
    assert ipvsadm() == []


def test_a_probe_of_the_host_itself_needs_no_mark(box: Box) -> None:
    daemon = box.start("masquerade", "tcp")
    wait_for(lambda: probed(daemon) > 3, "probes")
    assert marked() == []
    assert sorted(served()) == BOTH


def test_probe_of_a_real_server_beyond_a_tunnel_goes_there_once() -> None:
    # The tunnel's own packets have the mark of what they carry. If IPVS took those too, they would
    # go into the tunnel again, and so on, until the kernel's stack is full.
    rules = Netfilter(())
    key = Key(address="0.0.0.0", fwmark=LOWEST + 7)
    with ExitStack() as opened:
        ip("netns add far")
        opened.callback(ip, "netns delete far")
        ip("link add eth0 type veth peer name eth0 netns far")
        for number, name in ((1, ""), (2, "far")):
            other = 3 - number
            ip(
                f"address add 10.1.0.{number}/24 dev eth0",
                "link set eth0 up",
                f"link add vx0 address 70:b3:d5:80:00:0{number} type vxlan id 7 dstport 4789 "
                f"local 10.1.0.{number} remote 10.1.0.{other} dev eth0 nolearning",
                f"address add 10.2.0.{number}/24 dev vx0",
                "link set vx0 up",
                f"neigh add 10.2.0.{other} lladdr 70:b3:d5:80:00:0{other} dev vx0 nud permanent",
                name=name,
            )
        with netns.inside("far"):
            opened.enter_context(socket.create_server(("10.2.0.2", 80)))
        ipvs = opened.enter_context(Ipvs())
        opened.callback(rules.remove)
        rules.ensure([key])
        alone = VirtualServer(Settings("rr"), {Endpoint("10.2.0.2", 80): RealServer()})
        assert ipvs.apply(diff({}, {key: alone}, lambda _: True)) == ()
        ip("link add dummy0 type dummy", "link set dummy0 up")
        ip(f"route add local {VIP} dev dummy0 table local src 10.1.0.1")

        probe = opened.enter_context(socket.socket())
        probe.settimeout(5.0)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, key.fwmark)
        probe.connect((VIP, 80))

        connections = Path("/proc/net/ip_vs_conn").read_text().splitlines()[1:]
    assert [line.split()[0] for line in connections] == ["TCP"]
