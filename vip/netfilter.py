"""Keeps the kernel's netfilter as VIPs need it, by the commands iptables and ipset.

``chains`` says what is needed and why. It runs in the network namespace of its thread.
"""

import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range
from pointsman.vip.chains import JUMPS, PRE, SETS, chains, created, filled, restored, servers
from pointsman.vip.model import Key

_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
IPV6 = Path("/proc/sys/net/ipv6/conf")
_TABLES = tuple(dict.fromkeys(table for table, _ in JUMPS.values()))


class Netfilter:
    """The chains and sets of both families; blocking, for one thread at a time."""

    def __init__(
        self, ranges: Iterable[Range], *, masquerade: bool = True, guard: bool = True
    ) -> None:
        """``guard`` keeps host ports of containers, and services of the host, away from VIPs."""
        ranges = tuple(ranges)
        self._families = [
            _Family(family, [r for r in ranges if r.family == family], masquerade, guard)
            for family in ((4, 6) if IPV6.exists() else (4,))
        ]
        self._keys: frozenset[Key] = frozenset()

    def ensure(self, keys: Collection[Key]) -> int:
        """Make all of it right for exactly these virtual servers; return how many repairs.

        Raises Transient, which says what to install or to switch off, when some of it can't be
        had; what can be is.
        """
        self._keys = frozenset(keys)
        repairs, problem = 0, None
        for family in self._families:
            try:
                repairs += family.ensure(self._keys)
            except Transient as error:
                problem = error
        if problem:
            raise problem
        return repairs

    def admit(self, keys: Iterable[Key]) -> int:
        """Make it right for these as well, which are about to be added; return the changes.

        Raises Transient as ``ensure`` does.
        """
        return self._become(self._keys.union(keys))

    def dismiss(self, keys: Iterable[Key]) -> int:
        """Make it right without these, which have been deleted; return the changes."""
        return self._become(self._keys.difference(keys))

    def remove(self) -> int:
        """Remove all of it; return how many chains and sets there were."""
        self._keys = frozenset()
        return sum(family.remove() for family in self._families)

    def _become(self, keys: frozenset[Key]) -> int:
        before, self._keys = self._keys, keys
        return sum(family.change(before, keys) for family in self._families)


class _Family:
    """One family's part."""

    def __init__(self, family: int, ranges: Sequence[Range], masquerade: bool, guard: bool) -> None:
        self._family = family
        self._ranges = ranges
        self._prefixes = tuple(prefix for one in ranges for prefix in one.networks)
        self._masquerade = masquerade
        self._guard = guard
        self._odd: dict[str, list[str]] = {}
        """What iptables-save tells of a table that is right, where it uses other words."""

    def ensure(self, keys: frozenset[Key]) -> int:
        """Read all of it, and make it right; return how many repairs."""
        if not self._guard:
            return self._restore(keys, guard=False)
        problem = _tell(["ipset", "restore", "-exist"], created(self._family))
        if problem:
            self._restore(keys, guard=False)
            why = "install ipset, or set vip.protect = false"
            raise Transient(f"VIPs are not kept from services of the host: {problem}: {why}")
        repairs = self._fill(self._members, keys)
        return repairs + self._restore(keys, guard=True)

    def change(self, before: frozenset[Key], keys: frozenset[Key]) -> int:
        """Bring it from the one to the other, without reading it."""
        count = 0
        if self._guard:
            wanted = dict(self._wanted(before))
            count += self._fill(lambda name: wanted[name], keys)
        if self._outside(before) != self._outside(keys):
            count += self._restore(keys, guard=self._guard)
        return count

    def remove(self) -> int:
        """Remove all of it; return how many tables and sets had any."""
        count = 0
        with suppress(Transient):
            for table in _TABLES:
                lines = restored(table, {}, self._saved(table))
                count += bool(lines)
                self._restored(lines)
        sets = SETS[self._family]
        for name in (sets.servers, sets.addresses):
            with suppress(OSError):
                done = subprocess.run(["ipset", "destroy", name], capture_output=True, check=False)
                count += done.returncode == 0
        return count

    def _fill(self, members: Callable[[str], frozenset[str]], keys: frozenset[Key]) -> int:
        lines: list[str] = []
        for name, wanted in self._wanted(keys):
            lines += filled(name, members(name), wanted)
        if lines and (problem := _tell(["ipset", "restore", "-exist"], lines)):
            raise Transient(f"the sets of VIPs can't be filled: {problem}")
        return len(lines)

    def _wanted(self, keys: frozenset[Key]) -> Iterator[tuple[str, frozenset[str]]]:
        sets = SETS[self._family]
        yield sets.servers, servers(self._family, keys)
        yield sets.addresses, frozenset([*self._prefixes, *self._outside(keys)])

    def _outside(self, keys: Iterable[Key]) -> tuple[str, ...]:
        """Return the addresses of VIPs that are in no range."""
        here = {k.address for k in keys if k.family == self._family and not k.fwmark}
        return tuple(sorted(a for a in here if not any(a in one for one in self._ranges)))

    def _members(self, name: str) -> frozenset[str]:
        """Return who is in a set."""
        done = _run(["ipset", "save", name])
        words = (line.split() for line in done.stdout.splitlines())
        return frozenset(found[2] for found in words if found[0] == "add")

    def _restore(self, keys: Iterable[Key], *, guard: bool) -> int:
        """Make the chains right; return how many tables were not."""
        prefixes = (*self._prefixes, *(_single(a) for a in self._outside(keys)))
        wanted = chains(self._family, prefixes, masquerade=self._masquerade, guard=guard)
        count = 0
        for table in _TABLES:
            saved = self._saved(table)
            if (lines := restored(table, wanted, saved)) and saved != self._odd.get(table):
                self._restored(lines)
                count += 1
                # Another version may print rules in other words: they are right as they are now.
                after = self._saved(table)
                if restored(table, wanted, after):
                    self._odd[table] = after
        return count

    def _saved(self, table: str) -> list[str]:
        done = _run([f"{self._command}-save", "-t", table])
        if done.returncode:
            raise Transient(f"the rules of {table} can't be read: {done.stderr.strip()}")
        # Not the date, and not how many packets a chain has seen.
        return [x for x in done.stdout.splitlines() if x.startswith(("-A ", ":POINTSMAN-"))]

    def _restored(self, lines: Sequence[str]) -> None:
        if lines and (problem := _tell([f"{self._command}-restore", "-w", "5", "-n"], lines)):
            raise Transient(f"the rules of VIPs can't be made: {problem}")

    @cached_property
    def _command(self) -> str:
        """The command that this kernel obeys: the usual one, or the older for one without nft."""
        name = "ip6tables" if self._family == 6 else "iptables"
        problem = ""
        for candidate in (name, f"{name}-legacy"):
            if command := shutil.which(candidate, path=_PATH):
                # Reading works without the kernel's part, making a chain of ours doesn't.
                done = _run([command, "-w", "5", "-t", "nat", "-N", PRE])
                if done.returncode == 0 or "exists" in done.stderr:
                    return command
                problem = f": {done.stderr.strip()}"
        why = "install iptables, or set vip.masquerade and vip.protect = false"
        raise Transient(f"there is no {name} that this kernel obeys{problem}: {why}")


def _single(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _tell(words: Sequence[str], lines: Iterable[str]) -> str:
    """Run a command with lines to read; return "" or what it complained of."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{words[0]}: {error.strerror}"
    return "" if done.returncode == 0 else done.stderr.strip() or f"{words[0]} failed"
