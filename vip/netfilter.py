"""Keeps the kernel's netfilter as VIPs need it, by the commands iptables and ipset.

``chains`` says what is needed and why. It runs in the network namespace of its thread.
"""

import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pointsman.discovery.errors import Transient
from pointsman.vip.addresses import Range
from pointsman.vip.chains import (
    JUMPS,
    MARK,
    PRE,
    SETS,
    chains,
    created,
    filled,
    member,
    restored,
    servers,
)
from pointsman.vip.model import Key

PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
"""Where commands of the system are."""
IPV6 = Path("/proc/sys/net/ipv6/conf")
_TABLES = tuple(dict.fromkeys(table for table, _ in JUMPS.values()))


class Netfilter:
    """The chains and sets of both families; blocking, for one thread at a time."""

    def __init__(
        self,
        ranges: Iterable[Range],
        *,
        masquerade: bool = True,
        guard: bool = True,
        path: str = PATH,
    ) -> None:
        """``guard`` keeps host ports of containers, and services of the host, away from VIPs."""
        ranges = tuple(ranges)
        self._families = [
            _Family(
                family,
                [r for r in ranges if r.family == family],
                _Commands(path),
                masquerade=masquerade,
                guard=guard,
            )
            for family in ((4, 6) if IPV6.exists() else (4,))
        ]
        self._keys: frozenset[Key] = frozenset()

    def ensure(self, keys: Collection[Key]) -> int:
        """Make all of it right for exactly these virtual servers; return how many repairs.

        Raises Transient, which says what to install or to switch off, when some of it can't be
        had; what can be is.
        """
        self._keys = wanted = frozenset(keys)
        return self._each(lambda family: family.ensure(wanted))

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
        return self._each(_Family.remove)

    def _become(self, keys: frozenset[Key]) -> int:
        before, self._keys = self._keys, keys
        return self._each(lambda family: family.change(before, keys))

    def _each(self, work: "Callable[[_Family], int]") -> int:
        """Do it for both families, also when one has a problem; return how many changes."""
        changes, problem = 0, None
        for family in self._families:
            try:
                changes += work(family)
            except Transient as error:
                problem = problem or error
        if problem:
            raise problem
        return changes


class _Family:
    """One family's part."""

    def __init__(
        self,
        family: int,
        ranges: Sequence[Range],
        commands: "_Commands",
        *,
        masquerade: bool,
        guard: bool,
    ) -> None:
        self._family = family
        name = "ip6tables" if family == 6 else "iptables"
        self._names = (name, f"{name}-legacy")
        self._ranges = ranges
        self._prefixes = tuple(prefix for one in ranges for prefix in one.networks)
        self._commands = commands
        self._masquerade = masquerade
        self._guard = guard
        self._odd: dict[str, list[str]] = {}
        """What iptables-save tells of a table that is right, where it uses other words."""
        self._guards = False
        """The sets are there, and the rules that need them."""
        self._marks = False
        """Probes are marked, or were."""

    def ensure(self, keys: frozenset[Key]) -> int:
        """Read all of it, and make it right; return how many repairs."""
        self._marks = self._marks or self._marked(keys)
        if not (self._masquerade or self._guard or self._marks):
            return self.remove()  # what a run before made, of another configuration
        problem = ""
        if self._guard:
            problem = self._fed(created(self._family))
        self._guards = self._guard and not problem
        repairs = self._fill(self._members, keys) if self._guards else 0
        repairs += self._restore(keys)
        if problem:
            why = "install ipset, or set vip.protect = false"
            raise Transient(f"VIPs are not kept from services of the host: {problem}: {why}")
        return repairs

    def change(self, before: frozenset[Key], keys: frozenset[Key]) -> int:
        """Bring it from the one to the other, without reading it."""
        count = 0
        if self._guards:
            wanted = dict(self._wanted(before))
            count += self._fill(lambda name: wanted[name], keys)
        marks, self._marks = self._marks, self._marks or self._marked(keys)
        others = self._masquerade and self._outside(before) != self._outside(keys)
        if others or marks != self._marks:
            count += self._restore(keys)
        return count

    def _marked(self, keys: Iterable[Key]) -> bool:
        return any(key.fwmark and key.family == self._family for key in keys)

    def remove(self) -> int:
        """Remove all of it; return how many tables and sets had any."""
        count = 0
        for command, table in self._written():
            with suppress(Transient):
                lines = restored(table, {}, self._saved(command, table))
                self._restored(command, lines)
                count += bool(lines)
        sets = SETS[self._family]
        for name in (sets.servers, sets.addresses):
            count += self._commands.run("ipset", "destroy", name).returncode == 0
        return count

    def _fill(self, members: Callable[[str], frozenset[str]], keys: frozenset[Key]) -> int:
        lines: list[str] = []
        for name, wanted in self._wanted(keys):
            lines += filled(name, members(name), wanted)
        if lines and (problem := self._fed(lines)):
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
        done = self._commands.run("ipset", "save", name)
        words = (line.split() for line in done.stdout.splitlines())
        return frozenset(member(found[2]) for found in words if found[0] == "add")

    def _restore(self, keys: Iterable[Key]) -> int:
        """Make the chains right; return how many tables were not."""
        prefixes = (*self._prefixes, *(_single(a) for a in self._outside(keys)))
        wanted = chains(
            self._family,
            prefixes,
            masquerade=self._masquerade,
            guard=self._guards,
            marks=self._marks,
        )
        count = 0
        for table in _TABLES:
            if table == JUMPS[MARK][0] and not self._marks:
                continue  # most hosts need none, and to look would load it
            saved = self._saved(self._command, table)
            if (lines := restored(table, wanted, saved)) and saved != self._odd.get(table):
                self._restored(self._command, lines)
                count += 1
                # Another version may print rules in other words: they are right as they are now.
                after = self._saved(self._command, table)
                if restored(table, wanted, after):
                    self._odd[table] = after
        return count

    def _saved(self, command: str, table: str) -> list[str]:
        done = self._commands.run(f"{command}-save", "-t", table)
        if done.returncode:
            raise Transient(f"the rules of {table} can't be read: {done.stderr.strip()}")
        # Not the date, and not how many packets a chain has seen.
        return [x for x in done.stdout.splitlines() if x.startswith(("-A ", ":POINTSMAN-"))]

    def _restored(self, command: str, lines: Sequence[str]) -> None:
        if lines:
            done = self._commands.run(f"{command}-restore", "-w", "5", "-n", lines=lines)
            if done.returncode:
                raise Transient(f"the rules of VIPs can't be made: {done.stderr.strip()}")

    def _fed(self, lines: Sequence[str]) -> str:
        """Give lines to ipset; return "" or what it complained of."""
        done = self._commands.run("ipset", "restore", "-exist", lines=lines)
        return done.stderr.strip() if done.returncode else ""

    @cached_property
    def _command(self) -> str:
        """The command that this kernel obeys: the usual one, or the older for one without nft."""
        problems = []
        for command in self._names:
            # Reading works without the kernel's part, making a chain of ours doesn't.
            done = self._commands.run(command, "-w", "5", "-t", "nat", "-N", PRE)
            if done.returncode == 0 or "exists" in done.stderr:
                return command
            problems.append(" ".join(done.stderr.split()))
        why = "install iptables, or set vip.masquerade and vip.protect = false"
        raise Transient(f"there are no rules for VIPs: {'; '.join(problems)}: {why}")

    def _written(self) -> Iterator[tuple[str, str]]:
        """Yield the commands with the tables that they may have written."""
        usual, legacy = self._names
        there = Path(f"/proc/thread-self/net/{usual.removesuffix('tables')}_tables_names")
        # The older command makes the kernel load a table that it is only asked for.
        loaded = there.read_text().split() if there.exists() else []
        for table in _TABLES:
            yield usual, table
            if table in loaded:
                yield legacy, table


class _Commands:
    """The system's commands."""

    def __init__(self, path: str) -> None:
        self._environment = {"PATH": path}

    def run(self, *words: str, lines: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run one, and give it lines to read; one that is not there fails as others do."""
        try:
            return subprocess.run(
                words,
                input="".join(f"{line}\n" for line in lines),
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            return subprocess.CompletedProcess(words, 127, "", f"{words[0]}: {error.strerror}")


def _single(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
