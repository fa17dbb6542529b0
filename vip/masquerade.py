"""Rewrites the source of connections that other hosts open to VIPs through this one.

IPVS in masquerade mode sends a packet on with its client's address. A real server that can reach
the client without this host would answer it directly, and the client, which knows only the VIP,
would refuse that answer. Connections of this host itself need no rule: the route of the VIPs gives
them the node's address. The rule sees IPVS's packets only with net.ipv4.vs.conntrack = 1.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range

COMMENT = "pointsman"


class Masquerade:
    """One rule in nat POSTROUTING for each prefix of the ranges, made by the iptables commands."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._prefixes = [(r.family, prefix) for r in ranges for prefix in r.networks]

    def ensure(self) -> int:
        """Add the rules that are missing; return how many.

        Raises Transient when there is no iptables command that this kernel obeys.
        """
        return sum(self._add(family, prefix) for family, prefix in self._prefixes)

    def remove(self) -> int:
        """Delete the rules; return how many there were."""
        return sum(
            any(not _run(command, "-D", prefix) for command in _commands(family))
            for family, prefix in self._prefixes
        )

    def _add(self, family: int, prefix: str) -> bool:
        problem = "install iptables, or set vip.masquerade = false"
        for command in _commands(family):
            if not _run(command, "-C", prefix):
                return False
            problem = _run(command, "-A", prefix)
            if not problem:
                return True
        raise Transient(f"no masquerading for {prefix}: {problem}")


def _commands(family: int) -> Iterator[str]:
    """Yield the commands of a family: the usual one, and the older one for kernels without nft."""
    name = "ip6tables" if family == 6 else "iptables"
    for candidate in (name, f"{name}-legacy"):
        if command := shutil.which(candidate, path="/usr/sbin:/sbin:/usr/bin:/bin"):
            yield command


def _run(command: str, action: str, prefix: str) -> str:
    """Run a command; return "" or what it complained of."""
    words = [command, "-w", "5", "-t", "nat", action, "POSTROUTING", *rule(prefix)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{command} failed"


def rule(prefix: str) -> list[str]:
    """Return the rule for connections that were opened to addresses of a prefix."""
    opened_to = ["-m", "conntrack", "--ctorigdst", prefix]
    by_others = ["-m", "addrtype", "!", "--src-type", "LOCAL"]
    return [*opened_to, *by_others, "-m", "comment", "--comment", COMMENT, "-j", "MASQUERADE"]
