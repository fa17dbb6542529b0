"""Who reaches a VIP, from wherever it is, and what is kept away from VIPs: on the real kernel."""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from pointlab.site import netns
from pointsman.vip.addresses import parse_range
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.link import Link
from pointsman.vip.model import (
    Endpoint,
    Forwarding,
    Key,
    Protocol,
    RealServer,
    Settings,
    VirtualServer,
)
from pointsman.vip.netfilter import PATH, Netfilter
from pointsman.vip.netlink import Ipvs
from pointsman.vip.owned import Owned
from pointsman.vip.parts import Report, Wants
from pointsman.vip.sysctl import Sysctl, settings

RANGES = (parse_range("11.0.0.0/8"), parse_range("fd01:c::/64"))
VIP = Key(Protocol.TCP, "11.0.0.1", 80)
SINGLE = Key(Protocol.TCP, "192.0.2.7", 80)
"""A VIP of an address outside of the ranges."""
VIP6 = Key(Protocol.TCP, "fd01:c::1", 80)
DIRECTOR, NEAR, REAL = "10.0.0.1", "10.0.0.2", "10.0.0.3"
FAR, BOXED, OVERLAID = "10.9.0.2", "172.17.0.2", "9.0.0.2"

HOSTS = {
    # name: address, the director's address beside it
    "near": (NEAR, DIRECTOR),
    "real": (REAL, DIRECTOR),
    "far": (FAR, "10.9.0.1"),
    "boxed": (BOXED, "172.17.0.1"),
}


def ip(*lines: str, name: str = "") -> None:
    where = ["-netns", name] if name else []
    text = "\n".join(lines)
    subprocess.run(["ip", *where, "-batch", "-"], input=text, text=True, check=True)


def iptables(*lines: str) -> None:
    for line in lines:
        subprocess.run(["iptables-legacy", *line.split()], check=True)


def sysctl(setting: str, name: str = "") -> None:
    where = ["ip", "netns", "exec", name] if name else []
    subprocess.run([*where, "sysctl", "-qw", setting], check=True)


def saved() -> list[str]:
    """Return all rules of both families, and all sets, but for counters."""
    found = []
    for command in ("iptables-legacy-save", "ip6tables-legacy-save", "ipset save"):
        shown = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        found += [x for x in shown.splitlines() if x.startswith(("-A", ":POINTSMAN", "create"))]
    return found


class Answering:
    """Says, on each connection, who it is and whom it sees."""

    def __init__(self, name: str, address: str, port: int, says: str = "") -> None:
        self.says = says or name
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with netns.inside(name):
            self.socket = socket.create_server((address, port), family=family)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                connection, (address, *_) = self.socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.sendall(f"{self.says} {address}".encode())

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Net:
    """A director with hosts around it, of whom `real` is the real server."""

    def __init__(self, opened: ExitStack, folder: Path) -> None:
        self.opened = opened
        self.folder = folder
        ip("link add br0 type bridge", "link add docker0 type bridge", "link set br0 up",
           "link set docker0 up", f"address add {DIRECTOR}/24 dev br0",
           "address add fd00::1/64 dev br0 nodad",
           "address add 172.17.0.1/16 dev docker0")  # fmt: skip
        for name, (address, beside) in HOSTS.items():
            ip(f"netns add {name}")
            opened.callback(ip, f"netns delete {name}")
            ip(f"link add v-{name} type veth peer name eth0 netns {name}", f"link set v-{name} up")
            length = 16 if name == "boxed" else 24
            ip("link set lo up", f"address add {address}/{length} dev eth0", "link set eth0 up",
               f"route add default via {beside}", name=name)  # fmt: skip
            bridge = {"near": "br0", "real": "br0", "boxed": "docker0"}.get(name)
            if bridge:
                ip(f"link set v-{name} master {bridge}")
            else:
                ip(f"address add {beside}/24 dev v-{name}")
            if bridge == "br0":
                ip(f"address add fd00::{address[-1]}/64 dev eth0 nodad",
                   "route add fd01:c::/64 via fd00::1", name=name)  # fmt: skip
        modprobe = Path("/proc/sys/kernel/modprobe").read_text().strip()
        subprocess.run([modprobe, "br_netfilter"], check=True)
        for command in ("iptables", "ip6tables"):
            sysctl(f"net.bridge.bridge-nf-call-{command}=0")
        # An overlay network, over the network that `far` is on.
        for where, local, remote, inner in (
            ("", "10.9.0.1", FAR, "9.0.0.1"), ("far", FAR, "10.9.0.1", OVERLAID),
        ):  # fmt: skip
            ip(f"link add vx0 type vxlan id 7 local {local} remote {remote} dstport 4789",
               f"address add {inner}/24 dev vx0", "link set vx0 up", name=where)  # fmt: skip
        # As Docker does for its bridge.
        iptables("-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE")
        self.answer("real", REAL, 8080)

    def filter_bridges(self) -> None:
        """Have rules see what bridges carry, as Docker and Kubernetes do.

        A port may then have to send a frame back where it came from (CNI's hairpinMode).
        """
        for command in ("iptables", "ip6tables"):
            sysctl(f"net.bridge.bridge-nf-call-{command}=1")
        for name in ("near", "real", "boxed"):
            ip(f"link set v-{name} type bridge_slave hairpin on")

    def answer(self, name: str, address: str, port: int, says: str = "") -> None:
        """Have somebody answer there."""
        self.opened.enter_context(closing(Answering(name, address, port, says)))

    def kernel(self, *, masquerade: bool = True, guard: bool = True, path: str = PATH) -> Kernel:
        servers = self.opened.enter_context(Ipvs())
        link = Link("pointsman0", RANGES, {4: DIRECTOR, 6: "fd00::1"})
        self.opened.enter_context(closing(link))
        rules = Netfilter(RANGES, masquerade=masquerade, guard=guard, path=path)
        owned = Owned(self.folder / "owned.json")
        wants = Wants(RANGES, settings(masquerade=True), forwarding=True)
        return Kernel(servers, link, rules, Sysctl(), owned, wants)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with ExitStack() as opened:
        yield Net(opened, tmp_path)


def to(address: str, port: int = 8080, forwarding: int = Forwarding.MASQUERADE) -> Target:
    """Return a virtual server of one real server."""
    real = RealServer(forwarding=forwarding)
    return Target(VirtualServer(Settings(), {Endpoint(address, port): real}))


def serve(kernel: Kernel, target: Target, key: Key = VIP) -> Report:
    report = kernel.sync({key: target}, (), 0, whole=True)
    assert report.complaints == ()
    assert report.failures == ()
    return report


def heard(name: str, key: Key = VIP, *, source: str = "") -> str:
    """Connect to a VIP from a host; return who answered, and whom that saw."""
    with netns.inside(name):
        client = socket.socket(socket.AF_INET6 if key.family == 6 else socket.AF_INET)
    with client:
        client.settimeout(2)
        if source:
            client.bind((source, 0))
        client.connect((key.address, key.port))
        return client.recv(100).decode()


@pytest.mark.parametrize("key", [VIP, SINGLE])
def test_clients_everywhere_are_answered_through_the_director(net: Net, key: Key) -> None:
    for name in ("near", "far", "real", "boxed"):
        ip(f"route add {SINGLE.address} via {HOSTS[name][1]}", name=name)
    serve(net.kernel(), to(REAL), key)
    # One of the same network, one behind a router, the real server itself, one of a container
    # network, one of an overlay network, and the director, whose route gives it its own address.
    assert heard("near", key) == f"real {DIRECTOR}"
    assert heard("far", key) == f"real {DIRECTOR}"
    assert heard("real", key) == f"real {DIRECTOR}"
    assert heard("boxed", key) == f"real {DIRECTOR}"
    net.filter_bridges()
    for name in ("near", "real", "boxed", ""):
        assert heard(name, key) == f"real {DIRECTOR}"
    ip(f"route replace {key.address} via 9.0.0.1", name="far")
    assert heard("far", key, source=OVERLAID) == f"real {DIRECTOR}"
    assert heard("", key) == f"real {DIRECTOR}"


def test_without_the_masquerade_a_neighbour_is_not(net: Net) -> None:
    serve(net.kernel(masquerade=False), to(REAL))
    with pytest.raises(TimeoutError):  # the real server answers it directly
        heard("near")
    assert heard("") == f"real {DIRECTOR}"


def test_ipv6_clients_are_answered_too(net: Net) -> None:
    net.answer("real", "fd00::3", 8080)
    serve(net.kernel(), to("fd00::3"), VIP6)
    for filtered in (False, True):
        if filtered:
            net.filter_bridges()
        for name in ("near", "real", ""):
            assert heard(name, VIP6) == "real fd00::1"


def test_direct_forwarding_keeps_the_clients_address(net: Net) -> None:
    ip(f"address add {VIP.address}/32 dev lo", name="real")
    net.answer("real", VIP.address, 80)
    sysctl("net.ipv4.conf.all.arp_ignore=1", name="real")
    serve(net.kernel(), to(REAL, 80, Forwarding.DIRECT))
    assert heard("near") == f"real {NEAR}"


def test_a_real_server_on_this_host_is_reached_by_all(net: Net) -> None:
    net.answer("", DIRECTOR, 8080, "host")
    serve(net.kernel(), to(DIRECTOR))
    assert heard("near").startswith("host ")
    assert heard("").startswith("host ")


HOST_PORT = f"-p tcp --dport 80 -j DNAT --to-destination {BOXED}:9090"
PORTMAP = (
    "-t nat -N CNI-HOSTPORT-DNAT",
    "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    "-t nat -A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    f"-t nat -A CNI-HOSTPORT-DNAT {HOST_PORT}",
)
DOCKER = (
    "-t nat -N DOCKER",
    "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    f"-t nat -A DOCKER ! -i docker0 {HOST_PORT}",
)


def test_dcos_oss_4970_a_containers_host_port_takes_nothing_from_a_vip(net: Net) -> None:
    net.answer("boxed", BOXED, 9090)
    for rules in (PORTMAP, DOCKER):
        iptables("-t nat -F PREROUTING", "-t nat -F OUTPUT", *rules)
        serve(net.kernel(guard=False), to(REAL))
        assert heard("far").startswith("boxed ")  # the incident
        serve(net.kernel(), to(REAL))
        assert heard("far") == f"real {DIRECTOR}"
        assert heard("") == f"real {DIRECTOR}"
        host = Key(Protocol.TCP, "10.9.0.1", 80)
        assert heard("far", host).startswith("boxed ")  # where the host port belongs


def test_dcos_oss_2070_and_dcos_45115_a_container_reaches_the_vip_that_it_stands_behind(
    net: Net,
) -> None:
    net.answer("boxed", BOXED, 9090)
    serve(net.kernel(), to(BOXED, 9090))  # on its own host, the real server is its own address
    for name in ("boxed", "far", ""):
        assert heard(name).startswith("boxed ")
    serve(net.kernel(masquerade=False), to(BOXED, 9090))
    with pytest.raises(TimeoutError):  # it sees its own address
        heard("boxed")
    net.filter_bridges()
    serve(net.kernel(), to(BOXED, 9090))
    assert heard("boxed").startswith("boxed ")


def test_kubernetes_72236_services_of_the_host_are_not_reached_at_vips(net: Net) -> None:
    net.answer("", "0.0.0.0", 2222, "sshd")
    net.answer("", "::", 2222, "sshd")
    ip(f"route add {SINGLE.address} via 10.9.0.1", name="far")
    at = [Key(Protocol.TCP, key.address, 2222) for key in (VIP, SINGLE, VIP6)]
    serve(net.kernel(guard=False), to(REAL), SINGLE)
    assert heard("far", at[0]).startswith("sshd")
    serve(net.kernel(), to(REAL), SINGLE)
    for client, key in [("far", at[0]), ("far", at[1]), ("near", at[2]), *(("", k) for k in at)]:
        with pytest.raises(ConnectionRefusedError):
            heard(client, key)
    assert heard("far", Key(Protocol.TCP, "10.9.0.1", 2222)).startswith("sshd")
    assert heard("far", SINGLE) == f"real {DIRECTOR}"


def test_what_is_not_served_is_refused_at_once(net: Net) -> None:
    kernel = net.kernel()
    serve(kernel, to(REAL))
    kernel.sync({}, {VIP}, 0)
    for name in ("far", ""):
        with pytest.raises(ConnectionRefusedError):
            heard(name)
    host = net.opened.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    host.bind(("0.0.0.0", 53))  # a name server of the host
    with netns.inside("far"):
        client = socket.socket(type=socket.SOCK_DGRAM)
    with client:
        client.settimeout(2)
        client.connect((VIP.address, 53))
        client.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
    host.setblocking(False)
    with pytest.raises(BlockingIOError):
        host.recv(100)
    assert pinged("far", VIP.address)


def test_kubernetes_98465_a_firewall_has_to_let_vips_in_and_lets_nothing_else_in(net: Net) -> None:
    net.answer("", "0.0.0.0", 2222, "sshd")
    serve(net.kernel(), to(REAL))
    iptables("-P INPUT DROP")
    with pytest.raises(TimeoutError):
        heard("far")
    iptables("-A INPUT -d 11.0.0.0/8 -j ACCEPT")
    assert heard("far") == f"real {DIRECTOR}"
    with pytest.raises(ConnectionRefusedError):
        heard("far", Key(Protocol.TCP, VIP.address, 2222))


def pinged(name: str, address: str) -> bool:
    """Send an ICMP echo request from a host; tell whether it is answered."""
    with netns.inside(name):
        client = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with client:
        client.settimeout(2)
        request = struct.pack("!BBHHH", 8, 0, 0xF7FE, 1, 0)  # its checksum is that of this
        client.sendto(request, (address, 0))
        while True:
            data, (source, _) = client.recvfrom(1000)
            if source == address and data[20] == 0:
                return True


def test_what_somebody_changes_is_put_right_and_counted(net: Net) -> None:
    kernel = net.kernel()
    serve(kernel, to(REAL))
    assert serve(kernel, to(REAL)).repaired == 0
    before = saved()
    for command in (
        "iptables-legacy -t nat -F POINTSMAN-POST",
        "iptables-legacy -t nat -D PREROUTING -j POINTSMAN-PRE",
        "iptables-legacy -D POINTSMAN-IN 1",
        "iptables-legacy -A POINTSMAN-IN -j DROP",
        "ip6tables-legacy -F",
        "ipset del pointsman 11.0.0.1,tcp:80",
        "ipset add pointsman 11.0.0.1,tcp:81",
        "ipset flush pointsman-vips",
        "iptables-legacy -t nat -I PREROUTING -p tcp -j ACCEPT",
    ):
        subprocess.run(command.split(), check=True)
        assert serve(kernel, to(REAL)).repaired == 1, command
        if "-I PREROUTING" not in command:
            assert saved() == before
        assert heard("near") == f"real {DIRECTOR}"
        assert serve(kernel, to(REAL)).repaired == 0


def test_a_restart_finds_nothing_to_do_and_flush_leaves_nothing(net: Net) -> None:
    before = saved()
    serve(net.kernel(), to(REAL))
    kernel = net.kernel()
    assert serve(kernel, to(REAL)).surroundings == 0
    kernel.flush()
    assert saved() == before


def test_without_ipset_masquerading_works_and_it_is_said_what_to_install(
    net: Net, tmp_path: Path
) -> None:
    for command in ("iptables-legacy", "ip6tables-legacy"):  # and no ipset
        for ending in ("", "-save", "-restore"):
            (tmp_path / f"{command}{ending}").symlink_to(f"/usr/sbin/{command}{ending}")
    report = net.kernel(path=str(tmp_path)).sync({VIP: to(REAL)}, (), 0, whole=True)
    (complaint,) = report.complaints
    assert complaint.endswith(
        "ipset: No such file or directory: install ipset, or set vip.protect = false"
    )
    assert heard("near") == f"real {DIRECTOR}"
