"""Pointsman's peers in a lab: keepalived as a director, and BIND, as a site without it has them.

Each has a program beside it that keeps its files as Mesos has it: refresher.py.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pointlab.site import refresher
from pointlab.site.mesos import MASTER_PORT, ROOT, python
from pointlab.site.process import Service
from pointlab.site.topology import Node, Topology
from pointlab.watch import lookup, record
from pointlab.watch.recording import Endpoint
from pointlab.watch.watching import DNS, KERNEL, LoadSpec, Watching

if TYPE_CHECKING:
    from pointlab.site.lab import Lab

KEEPALIVED = ROOT / ".lab/ipvs"
NAMED = ROOT / ".lab/dns/usr/sbin/named"
SETTINGS = f"""
rule='-t nat -A POSTROUTING -o eth0 -j MASQUERADE'
iptables $rule 2>/dev/null || iptables-legacy $rule
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=1 net.ipv4.vs.expire_nodest_conn=1
ip route replace local {refresher.VIPS} dev lo
"""
"""What keepalived leaves to its administrator; Pointsman does it by itself."""


def services(topology: Topology, one: Node, memory: Path) -> tuple[Service, ...]:
    """Return what a node runs of them, in order; ``memory`` is its /run."""
    found: list[Service] = []
    if "keepalived" in one.runs:
        found += _keepalived(topology, one, memory / "keepalived")
    if "bind" in one.runs:
        found += _bind(topology, one, memory / "bind")
    return tuple(found)


def _keepalived(topology: Topology, one: Node, folder: Path) -> tuple[Service, Service]:
    libraries = ":".join(map(str, sorted(KEEPALIVED.glob("**/lib/*-linux-gnu"))))
    config, pid = folder / "keepalived.conf", folder / "keepalived.pid"
    argv = (
        "env", f"LD_LIBRARY_PATH={libraries}", str(KEEPALIVED / "usr/sbin/keepalived"),
        "--check", "--dont-fork", "--no-syslog", "--log-console", f"--use-file={config}",
        f"--pid={pid}", f"--checkers_pid={folder}/checkers.pid",
    )  # fmt: skip
    files = {config: refresher.keepalived(())[config.name]}
    return (
        Service(f"keepalived-{one.name}", argv, files, SETTINGS),
        _refresher(topology, one, "keepalived", folder, pid),
    )


def _bind(topology: Topology, one: Node, folder: Path) -> tuple[Service, Service]:
    config, pid = folder / "named.conf", folder / "named.pid"
    text = f"""options {{
  directory "{folder}";
  listen-on {{ {one.address_of(4)}; }};
  listen-on-v6 {{ none; }};
  pid-file "{pid}";
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  notify no;
}};
controls {{ }};
"""
    files = {}
    for name, lines in refresher.zones(()).items():
        zone = name.removesuffix(".zone")
        text += f'zone "{zone}" {{\n  type primary;\n  file "{name}";\n}};\n'
        files[folder / name] = refresher.head(zone, 1) + lines
    argv = (str(NAMED), "-g", "-n", "1", "-c", str(config))
    return (
        Service(f"named-{one.name}", argv, files | {config: text}),
        _refresher(topology, one, "zones", folder, pid),
    )


def _refresher(topology: Topology, one: Node, kind: str, folder: Path, pid: Path) -> Service:
    masters = ",".join(f"{m.address_of(4)}:{MASTER_PORT}" for m in topology.running("master"))
    argv = (python(), "-IS", refresher.__file__, kind, str(folder), str(pid), masters)
    return Service(f"refresher-{one.name}", argv)


def present(topology: Topology) -> bool:
    """Tell whether a topology has both of them."""
    return bool(topology.running("keepalived") and topology.running("bind"))


def watched(
    lab: "Lab",
    app: str,
    port: int = 80,
    *,
    rate: float = 20.0,
    keep: bool = False,
    kernel: float = KERNEL,
    dns: float = DNS,
) -> Watching:
    """Return how the peers are watched, as Pointsman is: keepalived's kernel, and BIND's DNS.

    The client asks the app's VIP of keepalived, ``rate`` times a second; ``kernel`` and ``dns`` are
    the seconds between two looks.
    """
    topology = lab.topology
    (director,), (server,) = topology.running("keepalived"), topology.running("bind")
    host = f"{refresher.vip(app)}:{port}"
    clients = [one for one in topology.nodes.values() if one.vips and not one.runs]
    loads = [
        LoadSpec(
            f"{app} from {one.name} by keepalived", lab.netns(one.name), one.name, director.name,
            host, rate, keep=keep,
        )
        for one in clients
    ]  # fmt: skip
    return Watching(
        app,
        host,
        {director.name: (lab.netns(director.name), server.address)},
        loads,
        f"_{app}._tcp.marathon.{refresher.MESOS}",
        f"{app}.marathon.{refresher.VIP_NAMES}",
        kernel=kernel,
        dns=dns,
    )


def have(lab: "Lab", app: str, instances: frozenset[Endpoint], port: int = 80) -> bool:
    """Tell whether both peers have these instances of an app, and no other."""
    (director,), (server,) = lab.topology.running("keepalived"), lab.topology.running("bind")
    with contextlib.closing(record.Table(lab.netns(director.name))) as table:
        held = record.held(table, refresher.vip(app), port)()
    with contextlib.closing(lookup.Asking(lab.netns(director.name), server.address)) as asking:
        named = lookup.srv(asking, f"_{app}._tcp.marathon.{refresher.MESOS}")()
    return held.endpoints == named.endpoints == instances
