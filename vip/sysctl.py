"""Kernel settings that load balancing needs, under /proc/sys."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pointsman.discovery.errors import Transient

_BALANCING = {
    # A real server that is gone resets its connections at the next packet instead of hanging them.
    "net.ipv4.vs.expire_nodest_conn": "1",
    # Clients bound to a drained real server by persistence move on.
    "net.ipv4.vs.expire_quiescent_template": "1",
}

_MASQUERADING = {
    # netfilter sees what IPVS forwards, so that its source can be rewritten.
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.ip_forward": "1",
}


def settings(*, masquerade: bool) -> Mapping[str, str]:
    """Return what virtual servers need."""
    return _BALANCING | (_MASQUERADING if masquerade else {})


class Sysctl:
    """The settings of this network namespace."""

    def __init__(self, root: Path = Path("/proc/sys")) -> None:
        self._root = root

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Write what differs; return the values that stood there before, of those written.

        Raises Transient when one can't be read or written; the others are written all the same.
        """
        before, problems = {}, []
        for name, value in wanted.items():
            path = self._path(name)
            try:
                old = path.read_text().strip()
                if old != value:
                    path.write_text(value)
                    before[name] = old
            except OSError as error:
                problems.append(f"sysctl {name} can't be set to {value}: {error.strerror}")
        if problems:
            raise Transient("; ".join(problems))
        return before

    def forwarding6(self) -> Mapping[str, str]:
        """Return what forwarding of IPv6 packets needs.

        A host that forwards hears no routers (RFC 4861 section 6.2.2) unless told to: interfaces
        that hear them now go on.
        """
        found = {}
        for path in sorted(self._path("net.ipv6.conf").glob("*/accept_ra")):
            with suppress(OSError):
                if path.parent.name not in ("all", "lo") and path.read_text().strip() == "1":
                    found[str(path.relative_to(self._root))] = "2"
        return {**found, "net.ipv6.conf.all.forwarding": "1"}

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """Return the values of those that are there."""
        found = {}
        for name in names:
            with suppress(OSError):
                found[name] = self._path(name).read_text().strip()
        return found

    def _path(self, name: str) -> Path:
        """Return the file; names of interfaces may have dots, and stand between slashes."""
        return self._root / (name if "/" in name else name.replace(".", "/"))
