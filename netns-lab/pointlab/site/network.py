"""Namespaces: made, wired, entered and deleted."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from pointlab.site.wiring import Batch

PREFIX = "lab-"
"""Of every namespace; that of a lab's is its name and a dash more."""


def add(names: Iterable[str]) -> None:
    """Make namespaces."""
    ip("", [f"netns add {name}" for name in names])


def do(batches: Iterable[Batch], prefix: str) -> None:
    """Do what is to be done in the namespaces of a lab."""
    for batch in batches:
        where = prefix + batch.node if batch.node else ""
        if batch.ip:
            ip(where, batch.ip)
        if batch.sh:
            script = "\n".join(batch.sh)
            inside = ["ip", "netns", "exec", where] if where else []
            subprocess.run([*inside, "sh", "-ec", script], check=True)


def down(prefix: str) -> None:
    """End every process in the namespaces of a lab, and delete them."""
    for name in namespaces(prefix):
        delete(name)


def delete(name: str) -> None:
    """End every process in a namespace, and delete it."""
    done = subprocess.run(
        ["ip", "netns", "pids", name], capture_output=True, text=True, check=False
    )
    if pids := done.stdout.split():
        subprocess.run(["kill", "-KILL", *pids], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "netns", "delete", name], check=False)


def namespaces(prefix: str = PREFIX) -> list[str]:
    """Return the names of the namespaces that are there."""
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.glob(f"{prefix}*")) if folder.exists() else []


def command(namespace: str, argv: Iterable[str], resolv_conf: Path) -> list[str]:
    """Return the command line that runs a command in a namespace, with a resolv.conf of the lab's.

    `ip netns exec` gives a mount namespace of its own, so that the file is seen by it alone.
    """
    mount = f'mount --bind {resolv_conf} /etc/resolv.conf && exec "$@"'
    return ["ip", "netns", "exec", namespace, "sh", "-c", mount, "sh", *argv]


def ip(netns: str, commands: Iterable[str]) -> None:
    """Give `ip` commands in a namespace; "" for the one that we are in."""
    where = ["-netns", netns] if netns else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(commands), text=True, check=True)
