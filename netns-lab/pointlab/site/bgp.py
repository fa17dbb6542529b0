"""BGP between directors, which announce their VIPs, and routers: a BIRD of Debian on each.

A director's is set up as docs/announce.md has it. Both ends also watch each other by BFD, so that a
router notices within a second when a director is gone.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pointlab.site.mesos import ROOT
from pointlab.site.process import Service
from pointlab.site.topology import Node, Topology, shared

if TYPE_CHECKING:
    from pointlab.site.lab import Lab

POINTSMAN = ROOT / ".venv/bin/pointsman"
SBIN = ROOT / ".lab/bgp/usr/sbin"
DIRECTORS, ROUTERS = 65000, 65001
"""The numbers of their autonomous systems."""
TIMERS = """
  hold time 3;
  keepalive time 1;
  connect delay time 1;
  error wait time 1, 3;
  bfd on;
"""
BFD = """
protocol bfd {
  interface "eth*" {
    interval 200 ms;
    multiplier 5;
  };
}
"""
"""With less patience it sees crashes where only the guest's single processor is busy."""
URGENT = ("nice", "-n", "-15")
"""For the same reason; of a router it is hardware that sends these packets."""


def services(topology: Topology, one: Node, memory: Path, config: Path) -> tuple[Service, ...]:
    """Return what a director or a router runs for BGP, in order; nothing for other nodes.

    ``memory`` is the node's /run, ``config`` the configuration of its Pointsman.
    """
    file, socket = memory / "bird.conf", memory / "bird.ctl"
    argv = (*URGENT, str(SBIN / "bird"), "-f", "-c", str(file), "-s", str(socket))
    name = f"bird-{one.name}"
    if "announce" in one.runs:
        vips = memory / "vips/vips.conf"
        announce = (
            str(POINTSMAN), "announce", "--config", str(config), "--interval", "0.5",
            "--format", "bird", "--output", str(vips),
            "--reload", f"{SBIN / 'birdc'} -s {socket} configure",
        )  # fmt: skip
        return (
            Service(f"announce-{one.name}", announce),
            Service(
                name, argv, {file: director(topology, one, vips.parent)},
                sh=f"mkdir -p {vips.parent}",
            ),
        )  # fmt: skip
    if "router" in one.runs and topology.running("announce"):
        return (Service(name, argv, {file: router(topology, one)}),)
    return ()


def active(lab: "Lab", vip: str) -> str:
    """Return the director to which the first router sends what is for a VIP; "" while to none."""
    one = lab.topology.running("router")[0]
    shown = lab.output(f"ip route show {vip}/32", one.name).split()
    if "via" not in shown:
        return ""
    hop = shown[shown.index("via") + 1]
    return next(d.name for d in lab.topology.running("announce") if hop in d.addresses)


def knows(lab: "Lab", vip: str, one: Node) -> bool:
    """Tell whether the first router has been told of a VIP by this director."""
    router_ = lab.topology.running("router")[0]
    socket = lab.memory(router_) / "bird.ctl"
    asked = f"{SBIN / 'birdc'} -s {socket} show route {vip}/32 protocol to_{one.name}"
    return f"{vip}/32" in lab.output(asked, router_.name).partition("Table")[2]


def director(topology: Topology, one: Node, folder: Path) -> str:
    """Return the configuration of a director's BIRD, which includes a folder of VIPs."""
    text = f"""router id {one.address_of(4)};
log stderr all;
include "{folder}/*.conf";
filter vips {{
  if proto = "pointsman4" || proto = "pointsman6" then accept;
  reject;
}}
protocol device {{
}}
{BFD}"""
    for other in topology.running("router"):
        if network := shared(one, other):
            text += f"""
protocol bgp to_{other.name} {{
  local {one.address_of(4, network)} as {DIRECTORS};
  neighbor {other.address_of(4, network)} as {ROUTERS};{TIMERS}
  ipv4 {{
    import none;
    export filter vips;
  }};
}}
"""
    return text


def router(topology: Topology, one: Node) -> str:
    """Return the configuration of a router's BIRD, which gives its kernel what it learns.

    Of several directors it takes the one that it has known for longest. So one that comes back
    moves no connection: with masquerading each would break, as its replies go to one director.
    """
    text = f"""router id {one.address_of(4)};
log stderr all;
protocol device {{
}}
protocol kernel {{
  ipv4 {{
    import none;
    export all;
  }};
}}
{BFD}"""
    for other in topology.running("announce"):
        if network := shared(one, other):
            text += f"""
protocol bgp to_{other.name} {{
  local {one.address_of(4, network)} as {ROUTERS};
  neighbor {other.address_of(4, network)} as {DIRECTORS};{TIMERS}
  prefer older on;
  ipv4 {{
    import all;
    export none;
  }};
}}
"""
    return text
