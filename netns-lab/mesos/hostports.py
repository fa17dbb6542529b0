"""Leads a port of the host to a container, by rules of netfilter.

They are those of CNI's portmap plugin, or of Docker, whose proxy listens on the port as well:
what comes from the host's own IPVS, or from the container itself, meets none of Docker's rules.
"""

import contextlib
import functools
import shlex
import socket
import subprocess
import threading
from pathlib import Path

DNAT, MARK, MASQ = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
BIT = "0x2000/0x2000"
LOCAL = "-m addrtype --dst-type LOCAL"


class HostPort:
    """A host port of a container of CNI's; one executor at a time may open or close any."""

    def __init__(self, bridge: str, network: str, protocol: str, outer: int) -> None:
        """``network`` is the prefix that the bridge has."""
        self._bridge = bridge
        self._network = network
        self._protocol = protocol
        self._outer = outer
        self._chain = f"CNI-DN-{protocol}-{outer}"

    def open(self, address: str, inner: int) -> None:
        """Lead it to an address and port; nobody else had it, so that old rules are mistaken."""
        self.close()
        for chain in (DNAT, MARK, MASQ, self._chain):
            _iptables(f"-N {chain}")
        _ensure(f"PREROUTING {LOCAL} -j {DNAT}")
        _ensure(f"OUTPUT {LOCAL} -j {DNAT}")
        _ensure(f"{MARK} -j MARK --set-xmark {BIT}")
        _ensure(f"POSTROUTING -j {MASQ}")
        _ensure(f"{MASQ} -m mark --mark {BIT} -j MASQUERADE")
        # What comes from the container's own network goes back through the host, and so does what
        # the host asks by its loopback address.
        Path(f"/proc/sys/net/ipv4/conf/{self._bridge}/route_localnet").write_text("1")
        port = f"-p {self._protocol} --dport {self._outer}"
        for source in (self._network, "127.0.0.1"):
            _ensure(f"{self._chain} -s {source} {port} -j {MARK}")
        _ensure(f"{self._chain} {port} -j DNAT --to-destination {address}:{inner}")
        multiport = f"-p {self._protocol} -m multiport --dports {self._outer}"
        _ensure(f"{DNAT} {multiport} -j {self._chain}")

    def close(self) -> None:
        """Forget it."""
        _forget(DNAT, f"-j {self._chain}")
        _iptables(f"-F {self._chain}")
        _iptables(f"-X {self._chain}")


class DockerPort:
    """A host port of a container of Docker's."""

    def __init__(self, bridge: str, network: str, protocol: str, outer: int) -> None:
        self._bridge = bridge
        self._network = network
        self._protocol = protocol
        self._outer = outer
        self._hairpin = ""
        self._proxy: socket.socket | None = None

    def open(self, address: str, inner: int) -> None:
        """Lead it to an address and port."""
        self.close()
        _iptables("-N DOCKER")
        _ensure(f"PREROUTING {LOCAL} -j DOCKER")
        _ensure(f"OUTPUT ! -d 127.0.0.0/8 {LOCAL} -j DOCKER")
        _ensure(f"DOCKER -i {self._bridge} -j RETURN")
        port = f"-p {self._protocol} --dport"
        to = f"{address}:{inner}"
        _ensure(f"DOCKER ! -i {self._bridge} {port} {self._outer} -j DNAT --to-destination {to}")
        self._hairpin = f"POSTROUTING -s {address} -d {address} {port} {inner} -j MASQUERADE"
        _ensure(self._hairpin)
        if self._protocol == "tcp":
            self._proxy = _proxy(self._outer, (address, inner))

    def close(self) -> None:
        """Forget it."""
        _forget("DOCKER", f"--dport {self._outer} ")
        if self._hairpin:
            _iptables(f"-D {self._hairpin}")
        if self._proxy:
            with contextlib.suppress(OSError):
                self._proxy.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody up
            self._proxy.close()


def _ensure(rule: str) -> None:
    """Append a rule unless it is there; raises OSError when it can't be had."""
    if _iptables(f"-C {rule}").returncode:
        done = _iptables(f"-A {rule}")
        if done.returncode:
            raise OSError(f"iptables -A {rule}: {done.stderr.strip()}")


def _forget(chain: str, words: str) -> None:
    """Delete the rules of a chain that have these words."""
    for line in _iptables(f"-S {chain}").stdout.splitlines():
        if line.startswith("-A ") and words in f"{line} ":
            _iptables(f"-D {line.removeprefix('-A ')}")


def _iptables(words: str) -> "subprocess.CompletedProcess[str]":
    return _run(_command(), words)


@functools.cache
def _command() -> str:
    """Return the command that this kernel obeys: the older one where it has no nf_tables.

    Reading works without the kernel's part, making a chain doesn't.
    """
    done = _run("iptables", f"-N {DNAT}")
    return "iptables" if done.returncode == 0 or "exists" in done.stderr else "iptables-legacy"


def _run(command: str, words: str) -> "subprocess.CompletedProcess[str]":
    argv = [command, "-w", "5", "-t", "nat", *shlex.split(words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


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
