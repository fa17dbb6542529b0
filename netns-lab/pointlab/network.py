"""The lab's network: a namespace for each node, joined by a bridge in one of its own."""

import subprocess
from pathlib import Path

from pointlab.topology import NODES, PREFIX, SWITCH, VIP_RANGE, Node


def up() -> None:
    """Make the namespaces, links, addresses and routes."""
    ip("", [f"netns add {name}" for name in (SWITCH, *(n.netns for n in NODES))])
    ip(SWITCH, ["link add br0 type bridge", "link set br0 up", "link set lo up"])
    for one in NODES:
        port = f"p-{one.name}"
        ip(SWITCH, [
            f"link add {port} type veth peer name eth0 netns {one.netns}",
            f"link set {port} master br0 up",
        ])  # fmt: skip
        ip(one.netns, [
            "link set lo up",
            f"addr add {one.address}/24 dev eth0",
            "link set eth0 up",
            *([f"route add {VIP_RANGE} via {one.via}"] if one.via else []),
        ])  # fmt: skip


def down() -> None:
    """End every process in the namespaces, and delete them."""
    for name in namespaces():
        done = subprocess.run(
            ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
        )
        if pids := done.stdout.split():
            subprocess.run(["kill", "-KILL", *pids], check=False, stderr=subprocess.DEVNULL)
    for name in namespaces():
        subprocess.run(["ip", "netns", "delete", name], check=False)


def namespaces() -> list[str]:
    """Return the names of the lab's namespaces that are there."""
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.glob(f"{PREFIX}*")) if folder.exists() else []


def command(one: Node, argv: list[str], resolv_conf: Path) -> list[str]:
    """Return the command line that runs a command on a node, with a resolv.conf of the lab's.

    `ip netns exec` gives a mount namespace of its own, so that the file is seen by it alone.
    """
    mount = f'mount --bind {resolv_conf} /etc/resolv.conf && exec "$@"'
    return ["ip", "netns", "exec", one.netns, "sh", "-c", mount, "sh", *argv]


def ip(netns: str, commands: list[str]) -> None:
    """Give `ip` commands in a namespace; "" for the one that we are in."""
    where = ["-netns", netns] if netns else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(commands), text=True, check=True)
