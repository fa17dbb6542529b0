"""Reads what `pointsman check` wants to know of this node; changes nothing on it."""

import asyncio
import errno
import os
import platform
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from pointsman import cluster_facts, preflight, token
from pointsman.config import Config
from pointsman.discovery import text
from pointsman.discovery.errors import Fatal, Transient
from pointsman.dns import interfaces
from pointsman.dns.endpoints import ANY, Address, Endpoint, endpoints, parse
from pointsman.dns.listening import absent, bound
from pointsman.dns.teacher import MISSING
from pointsman.forwarding import forwarding
from pointsman.front import secret
from pointsman.generation import own_records
from pointsman.node import taken
from pointsman.preflight import Facts, Port
from pointsman.secondaries import keys
from pointsman.source import check, url
from pointsman.vip.netlink import Ipvs
from pointsman.vip.sysctl import Sysctl, settings

_CAPABILITIES = {
    10: "CAP_NET_BIND_SERVICE",
    12: "CAP_NET_ADMIN",
    16: "CAP_SYS_MODULE",
    21: "CAP_SYS_ADMIN",
}
"""Of linux/capability.h, those that matter here."""

_LISTENING = "0A"
"""State of TCP, as /proc/net/tcp has it."""

RP_FILTER = ("net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter")


def files(config: Config) -> tuple[str, ...]:
    """Return why files that the configuration names can't be used: what a start reads, too."""
    reading: tuple[Callable[[], object], ...] = (
        lambda: check(config.discovery),
        lambda: token.read(config.http.token_file),
        lambda: tuple(own_records(config, ())),
        lambda: keys(config.dns.transfer.key_file),
        lambda: secret(config.dns.cookie_secret_file),
        lambda: forwarding(config.dns),
        lambda: tuple(map(_executable, config.health.commands.items())),
    )
    found = []
    for one in reading:
        try:
            one()
        except (Fatal, Transient) as error:
            found.append(str(error))
    return tuple(found)


def _executable(command: tuple[str, tuple[str, ...]]) -> None:
    name, words = command
    if not os.access(words[0], os.X_OK):
        raise Fatal(f"health.commands.{name}: {words[0]} can't be run")


def facts(config: Config, *, offline: bool, root: Path = Path("/")) -> Facts:
    """Return all of them; ``offline`` asks nobody but this host.

    ``root`` is where /proc, /sys, /etc and /lib are.
    """
    there = interfaces.addresses()
    names = (*settings(masquerade=config.vip.masquerade), *RP_FILTER)
    proc = root / "proc"
    modules = _modules(root, f"ip_vs_{config.vip.scheduler.partition(',')[0]}")
    found = Facts(
        files=files(config),
        absent=tuple(why for value in config.dns.listen if (why := absent(parse(value)))),
        capabilities=capabilities((proc / "self/status").read_text()),
        ports=tuple(_ports(config, there, proc)),
        modules=modules,
        ipvs=_ipvs() if modules["ip_vs"] == "loaded" and config.vip.enabled else "",
        missing=tuple(name for name in ("iptables", "ipset") if not shutil.which(name, path=_PATH)),
        sysctls=Sysctl(proc / "sys").read(names),
        fixed=frozenset(n for n in names if not os.access(_sysctl(proc, n), os.W_OK)),
        native=MISSING,
        state_dir=_unwritable(Path(config.state_dir)),
        clock=time.time(),
        interfaces=frozenset(name for _, name in socket.if_nameindex()),
        running=frozenset(_called(name, command) for _, name, command in _processes(proc)),
        resolvers=resolvers(_text(root / "etc/resolv.conf")),
        own=_own(config, there),
    )
    return found if offline else _with_network(config, found)


_PATH = f"{os.environ.get('PATH', os.defpath)}:/sbin:/usr/sbin"


def _with_network(config: Config, found: Facts) -> Facts:
    """Return facts with what others say, and how this node reaches them."""
    discovery = config.discovery
    quorum = None
    if discovery.zookeeper:
        with suppress(Transient):  # its secret can't be read, which is told among the files
            quorum = cluster_facts.ask_zookeeper(url(discovery))
    masters = quorum.masters if quorum else discovery.masters
    try:
        asked = asyncio.run(cluster_facts.ask_masters(discovery, masters))
    except Transient:  # nor can those for the masters
        asked = ()
    return msgspec.structs.replace(found, masters=asked, zookeeper=quorum, range_=taken(config))


def capabilities(status: str) -> frozenset[str]:
    """Return what a process may, by its /proc/PID/status (proc(5))."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            bits = int(value, 16)
            return frozenset(known for bit, known in _CAPABILITIES.items() if bits >> bit & 1)
    return frozenset()


def resolvers(resolv: str) -> tuple[str, ...]:
    """Return the servers that a resolv.conf names, in its order (resolv.conf(5))."""
    words = (line.split() for line in resolv.splitlines())
    return tuple(word[1] for word in words if len(word) > 1 and word[0] == "nameserver")


def _modules(root: Path, scheduler: str) -> dict[str, preflight.Module]:
    """Return which of the modules that VIPs need are loaded, or could be."""
    folder = root / "lib/modules" / platform.release()
    built_in, loadable = _names(folder / "modules.builtin"), _names(folder / "modules.dep")
    found: dict[str, preflight.Module] = {}
    for name in ("ip_vs", scheduler, "dummy"):
        if name in built_in or (root / "sys/module" / name).exists():
            found[name] = "loaded"
        else:
            found[name] = "loadable" if name in loadable else "missing"
    # Only the network namespace's own listing tells of one that is built in and has no parameters.
    if (root / "proc/net/ip_vs").exists():
        found["ip_vs"] = "loaded"
    return found


def _names(file: Path) -> frozenset[str]:
    lines = (line.partition(":")[0] for line in _text(file).splitlines())
    return frozenset(Path(line).name.partition(".")[0] for line in lines)


def _ipvs() -> str:
    try:
        with Ipvs():
            return ""
    except (Fatal, Transient) as error:
        return str(error)


def _ports(config: Config, there: tuple[Address, ...], proc: Path) -> Iterator[Port]:
    """Yield each place to listen at, tried for a moment."""
    held = _Held(proc)
    for at in endpoints(map(parse, config.dns.listen), there):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            yield held.tried("dns.listen", kind, at)
    if config.http.listen:
        at = Endpoint(*text.endpoint(config.http.listen))
        yield held.tried("http.listen", socket.SOCK_STREAM, at)


class _Held:
    """Who holds which port."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc

    def tried(self, key: str, kind: socket.SocketKind, at: Endpoint) -> Port:
        transport = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        where = f"{transport} {at}"
        try:
            bound(kind, at.host, at.port).close()
        except Fatal as error:
            cause = error.__cause__
            number = cause.errno if isinstance(cause, OSError) else 0
            if number == errno.EACCES:
                return Port(key, where, str(error), "denied")
            if number != errno.EADDRINUSE:
                return Port(key, where, str(error))
            holders = self._holders(transport.lower(), at)
            ours = any(_is_ours(name, command) for _, name, command in holders)
            named = tuple(dict.fromkeys(f"{name} ({pid})" for pid, name, _ in holders))
            return Port(key, where, str(error), "taken", named, ours)
        return Port(key, where)

    def _holders(self, transport: str, at: Endpoint) -> list[tuple[int, str, str]]:
        inodes = {
            f"socket:[{inode}]"
            for family in ("", "6")
            for inode in sockets(_text(self._proc / f"net/{transport}{family}"), at)
        }
        found = []
        for process in _processes(self._proc):
            with suppress(OSError):  # it is gone, or another user's
                folder = self._proc / str(process[0]) / "fd"
                if any(_link(one) in inodes for one in folder.iterdir()):
                    found.append(process)
        return found


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def sockets(listing: str, at: Endpoint) -> Iterator[str]:
    """Yield the inodes of sockets that keep others from an endpoint, by /proc/net/udp or tcp.

    Its addresses are words of 32 bits in this host's own order of octets.
    """
    everything = {"0" * 8, "0" * 32}
    packed = socket.inet_pton(
        socket.AF_INET6 if ":" in at.host else socket.AF_INET, at.host.partition("%")[0]
    )
    own = "".join(packed[n : n + 4][::-1].hex() for n in range(0, len(packed), 4)).upper()
    for line in listing.splitlines()[1:]:
        words = line.split()
        address, _, port = words[1].partition(":")
        if int(port, 16) != at.port or words[3] not in (_LISTENING, "07"):
            continue
        if at.host in ANY.values() or address in everything or address == own:
            yield words[9]


def _is_ours(name: str, command: str) -> bool:
    """Tell whether a process is a Pointsman that runs, or holds sockets for one."""
    words = command.split("\0")
    return (name == "systemd" and "init" in command) or (
        "run" in words and any("pointsman" in word for word in words)
    )


def _processes(proc: Path) -> Iterator[tuple[int, str, str]]:
    """Yield number, name and command line of each process."""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                command = (folder / "cmdline").read_text(errors="replace")
                yield int(folder.name), (folder / "comm").read_text().strip(), command


def _called(name: str, command: str) -> str:
    """Return the name of a process, where it is a virtual machine's that of what runs in it."""
    return "dcos-net" if name == "beam.smp" and "dcos-net" in command else name


def _own(config: Config, there: tuple[Address, ...]) -> frozenset[str]:
    """Return the addresses on which this host's own programs would reach our DNS at port 53."""
    found: set[str] = set()
    for at in endpoints(map(parse, config.dns.listen), there):
        if at.port == 53:
            found |= {a.host for a in there} if at.host in ANY.values() else {at.host}
    return frozenset(found)


def _unwritable(folder: Path) -> str:
    """Return why nothing can be written to a folder that is there, or made; "" when it can."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} can't be written to"


def _sysctl(proc: Path, name: str) -> Path:
    return proc / "sys" / name.replace(".", "/")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
