"""Leads a port of the host to a container, by rules of netfilter.

They are those of CNI's portmap plugin, or of Docker, whose proxy listens on the port as well:
what comes from the host's own IPVS, or from the container itself, meets none of Docker's rules.
"""

import contextlib
import functools
import socket
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

Line = str
"""Of what iptables-restore reads and iptables-save prints."""
DNAT, MARK, MASQ = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
BIT = "0x2000/0x2000"
LOCAL = "-m addrtype --dst-type LOCAL"


class HostPort:
    """A host port of a container of CNI's; one executor at a time may open or close any."""

    def __init__(self, bridge: str, network: str, protocol: str, outer: int) -> None:
        """``network`` is the prefix that the bridge has."""
        self._bridge = bridge
        self._network = network
        self._port = f"-p {protocol} -m {protocol} --dport {outer}"
        self._ports = f"-p {protocol} -m multiport --dports {outer}"
        self._chain = f"CNI-DN-{protocol}-{outer}"

    def open(self, address: str, inner: int) -> None:
        """Lead it to an address and port, wherever old rules led it; raises OSError."""
        saved = _saved()
        shared = [
            f"-A PREROUTING {LOCAL} -j {DNAT}",
            f"-A OUTPUT {LOCAL} -j {DNAT}",
            f"-A POSTROUTING -j {MASQ}",
            f"-A {MARK} -j MARK --set-xmark {BIT}",
            f"-A {MASQ} -m mark --mark {BIT} -j MASQUERADE",
        ]
        own = [
            # What comes from the container's own network goes back through the host, and so does
            # what the host asks by its loopback address.
            f"-A {self._chain} -s {self._network} {self._port} -j {MARK}",
            f"-A {self._chain} -s 127.0.0.1/32 {self._port} -j {MARK}",
            f"-A {self._chain} {self._port} -j DNAT --to-destination {address}:{inner}",
            f"-A {DNAT} {self._ports} -j {self._chain}",
        ]
        chains = [f":{name} - [0:0]" for name in (DNAT, MARK, MASQ) if f":{name} " not in saved]
        chains += [f":{self._chain} - [0:0]"]
        _restored([*chains, *_old(saved, f"-j {self._chain}"), *_missing(saved, shared), *own])
        Path(f"/proc/sys/net/ipv4/conf/{self._bridge}/route_localnet").write_text("1")

    def close(self) -> None:
        """Forget it; raises OSError."""
        old = _old(_saved(), f"-j {self._chain}")
        if old:
            _restored([f":{self._chain} - [0:0]", *old, f"-X {self._chain}"])


class DockerPort:
    """A host port of a container of Docker's."""

    def __init__(self, bridge: str, network: str, protocol: str, outer: int) -> None:
        """``network`` is the prefix that the bridge has."""
        del network  # Docker masquerades each container towards itself
        self._bridge = bridge
        self._protocol = protocol
        self._outer = outer
        self._hairpin = ""
        self._proxy: socket.socket | None = None

    def open(self, address: str, inner: int) -> None:
        """Lead it to an address and port, wherever old rules led it; raises OSError."""
        saved = _saved()
        port = f"-p {self._protocol} -m {self._protocol} --dport"
        self._hairpin = f"POSTROUTING -s {address}/32 -d {address}/32 {port} {inner} -j MASQUERADE"
        shared = [
            f"-A PREROUTING {LOCAL} -j DOCKER",
            f"-A OUTPUT ! -d 127.0.0.0/8 {LOCAL} -j DOCKER",
            f"-A DOCKER -i {self._bridge} -j RETURN",
        ]
        own = [
            f"-A {self._hairpin}",
            f"-A DOCKER ! -i {self._bridge} {self._there} --to-destination {address}:{inner}",
        ]
        chain = [":DOCKER - [0:0]"] if ":DOCKER " not in saved else []
        _restored([*chain, *_old(saved, self._there), *_missing(saved, shared), *own])
        if self._protocol == "tcp":
            self._proxy = _proxy(self._outer, (address, inner))

    def close(self) -> None:
        """Forget it; raises OSError."""
        if self._proxy:
            with contextlib.suppress(OSError):
                self._proxy.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody up
            self._proxy.close()
        saved = _saved()
        old = [*_old(saved, self._there), *_old(saved, self._hairpin or self._there)]
        if old:
            _restored(list(dict.fromkeys(old)))

    @property
    def _there(self) -> str:
        """What the rule that leads to it says of the port."""
        return f"-p {self._protocol} -m {self._protocol} --dport {self._outer} -j DNAT"


def _missing(saved: str, rules: Iterable[Line]) -> list[Line]:
    lines = saved.splitlines()
    return [rule for rule in rules if rule not in lines]


def _old(saved: str, words: str) -> list[Line]:
    """Return what deletes the rules that have these words."""
    lines = (line for line in saved.splitlines() if line.startswith("-A "))
    return [f"-D {line.removeprefix('-A ')}" for line in lines if f"{words} " in f"{line} "]


def _saved() -> str:
    argv = [f"{_command()}-save", "-t", "nat"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def _restored(lines: Iterable[Line]) -> None:
    """Have lines read at once, and nothing else of the table touched; raises OSError."""
    text = "\n".join(["*nat", *lines, "COMMIT", ""])
    argv = [f"{_command()}-restore", "-w", "5", "-n"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"iptables-restore: {done.stderr.strip()}: {text}")


@functools.cache
def _command() -> str:
    """Return the command that this kernel obeys: the older one where it has no nf_tables.

    Reading works without the kernel's part, making a chain doesn't.
    """
    argv = ["iptables", "-w", "5", "-t", "nat", "-N", DNAT]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return "iptables" if done.returncode == 0 or "exists" in done.stderr else "iptables-legacy"


def _proxy(port: int, to: tuple[str, int]) -> socket.socket:
    """Return a socket of which threads take connections to somewhere else, until it is closed."""
    listening = socket.create_server(("", port), backlog=512)

    def run() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=_join, args=(connection, to), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listening


def _join(one: socket.socket, to: tuple[str, int]) -> None:
    """Join a connection with one to somewhere else, both ways, until both have ended."""
    with one, contextlib.suppress(OSError), socket.create_connection(to, 5.0) as other:
        other.settimeout(None)
        there = threading.Thread(target=_pump, args=(one, other), daemon=True)
        there.start()
        _pump(other, one)
        there.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
