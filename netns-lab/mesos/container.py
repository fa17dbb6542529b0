"""Puts a task into a network of its own, as a containerizer with CNI plugins, or Docker, does it.

Its namespace has no name: it ends with the last process in it, and takes its link along. Which
numbers of the agent's subnets are taken stands in the kernel, as the aliases of those links, so
that executors need not know of each other. The label ``LAB_NETWORK`` says which network it is.
"""

import contextlib
import ipaddress
import json
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostports import DockerPort, HostPort

Json = dict[str, Any]

DOCKER = "docker"
BRIDGES = {DOCKER: "docker0"}
"""By network; that of all others is CNI's."""
WAIT = 'read -r _ && exec </dev/null && exec /bin/sh -c "$0"'
"""What a process does first: its network is there once it is given a line."""
MOST = 250
"""Addresses of a subnet that are given out, in turn."""
UNUSED, ATTEMPTS = 1, 100
"""The port that a new address is asked at, and how often, at most each second."""


class Container:
    """The network of one task, from before its process until after it."""

    def __init__(self, info: Json) -> None:
        self._kind = label(info, "LAB_NETWORK")
        self._bridge = BRIDGES.get(self._kind, "cni0")
        self._link = f"{zlib.crc32(info['task_id']['value'].encode()):08x}"
        container = info.get("container", {})
        network: Json = next(iter(container.get("network_infos", ())), {})
        self._name: str = network.get("name", "")
        docker = container.get("docker", {})
        self._mappings: list[Json] = docker.get("port_mappings", network.get("port_mappings", []))
        discovered = info.get("discovery", {}).get("ports", {}).get("ports", ())
        ports = [mapping["container_port"] for mapping in self._mappings]
        self._ports: list[int] = ports or [port["number"] for port in discovered]
        self._open: list[HostPort | DockerPort] = []
        self.addresses: list[str] = []

    def start(self, command: str, env: dict[str, str]) -> "subprocess.Popen[bytes]":
        """Start a command in there; raises OSError or CalledProcessError if that can't be had."""
        with _locked():
            mine = self._plug()
        self.addresses = [address.partition("/")[0] for address, _ in mine]
        # One that has several listens on all that it has.
        env = env | {"HOST": self.addresses[0] if len(mine) == 1 else "::"}
        env |= {f"PORT{n}": str(port) for n, port in enumerate(self._ports)}
        argv = ["unshare", "--net", "/bin/sh", "-c", WAIT, command]
        process = None
        try:
            process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, start_new_session=True)
            self._wire(process.pid, mine)
            _settle(process.pid, mine)
            with _locked():
                self._map(mine)
            assert process.stdin
            with process.stdin as told:
                told.write(b"\n")
        except BaseException:
            if process:
                process.kill()
                process.wait()
            self.remove()
            raise
        return process

    def status(self) -> Json:
        """Return what a status tells of it: Docker's tells the address alone."""
        listed = [
            {"protocol": "IPv6" if ":" in a else "IPv4", "ip_address": a} for a in self.addresses
        ]
        network: Json = {"ip_addresses": listed}
        if self._kind == DOCKER:
            said = {"key": "Docker.NetworkSettings.IPAddress", "value": self.addresses[0]}
            return {
                "container_status": {"network_infos": [network]},
                "labels": {"labels": [said]},
            }
        network["name"] = self._name
        if self._mappings:
            network["port_mappings"] = self._mappings
        return {"container_status": {"network_infos": [network]}}

    def address(self, protocol: str) -> str:
        """Return its first address of a protocol, where its checks ask; of any if it has none."""
        of = [a for a in self.addresses if (":" in a) == (protocol == "IPv6")]
        return (of or self.addresses)[0]

    def remove(self) -> None:
        """Take away what would outlast its process."""
        link = ["ip", "link", "del", self._outside]
        subprocess.run(link, capture_output=True, check=False)  # most often it went by itself
        with _locked():
            for port in self._open:
                port.close()

    @property
    def _outside(self) -> str:
        return f"veth{self._link}"

    @property
    def _inside(self) -> str:
        return f"peer{self._link}"

    def _plug(self) -> list[tuple[str, str]]:
        """Take a number and a link to the bridge; return its addresses, each with its gateway."""
        (bridge,) = _asked("addr", "show", "dev", self._bridge)
        taken = {
            int(port.get("ifalias", 0)) for port in _asked("link", "show", "master", self._bridge)
        }
        last = int(bridge.get("ifalias", 1))
        turn = (2 + (last - 1 + more) % MOST for more in range(MOST))
        number = next((n for n in turn if n not in taken), 0)
        if not number:
            raise OSError(f"{self._bridge} has no address left")
        mtu = f"mtu {bridge['mtu']}"
        _ip(
            f"link add {self._outside} {mtu} type veth peer name {self._inside} {mtu}",
            f"link set {self._outside} alias {number}",
            f"link set {self._outside} master {self._bridge} up",
            f"link set {self._bridge} alias {number}",
        )
        found = []
        for one in bridge["addr_info"]:
            if one["scope"] == "global":
                network = ipaddress.ip_network(f"{one['local']}/{one['prefixlen']}", strict=False)
                found.append((f"{network[number]}/{network.prefixlen}", one["local"]))
        return found

    def _wire(self, pid: int, mine: list[tuple[str, str]]) -> None:
        """Give the process's namespace the link's other end, its addresses and its routes."""
        home = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{pid}/ns/net").readlink() == home:
            time.sleep(0.005)
        _ip(f"link set {self._inside} netns {pid}")
        commands = ["link set lo up", f"link set {self._inside} name eth0", "link set eth0 up"]
        for address, gateway in mine:
            commands += [f"addr add {address} dev eth0{' nodad' if ':' in address else ''}"]
            commands += [f"route add default via {gateway}"]
        _ip(*commands, within=("nsenter", "--net", "--target", str(pid)))

    def _map(self, mine: list[tuple[str, str]]) -> None:
        """Lead its host ports to its IPv4 address."""
        prefix, _ = next(((a, g) for a, g in mine if ":" not in a), ("", ""))
        kind = DockerPort if self._kind == DOCKER else HostPort
        for mapping in self._mappings:
            network = str(ipaddress.ip_network(prefix, strict=False))
            protocol = mapping.get("protocol", "tcp")
            port = kind(self._bridge, network, protocol, mapping["host_port"])
            self._open.append(port)
            port.open(prefix.partition("/")[0], mapping["container_port"])


def label(info: Json, key: str) -> str:
    """Return the value of a task's label, "" without it."""
    listed = info.get("labels", {}).get("labels", ())
    return next((x.get("value", "") for x in listed if x["key"] == key), "")


def _settle(pid: int, mine: list[tuple[str, str]]) -> None:
    """Wait until the kernels know of its IPv6 addresses, as plugins do.

    Now and then nobody is answered who asks for a new one, on a busy machine for a minute: then it
    is taken away and given again. That of a port where nobody listens is an answer as well.
    """
    within = ("nsenter", "--net", "--target", str(pid))
    for address, _ in mine:
        plain = address.partition("/")[0]
        for attempt in range(1, ATTEMPTS) if ":" in address else ():
            if _is_reached(plain):
                break
            if attempt % 3 == 0:
                print(f"container: nobody reaches {plain}; it is given again", file=sys.stderr)
                again = f"addr del {address} dev eth0", f"addr add {address} dev eth0 nodad"
                _ip(*again, within=within)


def _is_reached(address: str) -> bool:
    try:
        with socket.create_connection((address, UNUSED), timeout=1):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        time.sleep(0.1)  # it may be told at once that there is no way
        return False


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Be the only one on this agent: who has a name in its namespace, which ends with its owner."""
    with socket.socket(socket.AF_UNIX) as name:
        while True:
            try:
                name.bind("\0lab-container")
                break
            except OSError:
                time.sleep(0.01)
        yield


def _asked(*words: str) -> list[Json]:
    """Return what `ip` tells, but for empty objects, which some versions print."""
    done = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, check=True)
    return [one for one in json.loads(done.stdout or "[]") if one]


def _ip(*commands: str, within: tuple[str, ...] = ()) -> None:
    argv = [*within, "ip", "-batch", "-"]
    subprocess.run(argv, input="\n".join(commands), text=True, check=True)
