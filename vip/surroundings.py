"""What a kernel needs around its virtual servers: settings, timeouts, sync daemons.

What was there before is remembered, to be set back.
"""

from collections.abc import Mapping

import msgspec

from pointsman.discovery.errors import Transient
from pointsman.vip.model import ORDERED, Forwarding, Key, VirtualServer
from pointsman.vip.owned import Memory
from pointsman.vip.parts import Memories, Servers, Settings, Wants

SLOPPY = {"net.ipv4.vs.sloppy_tcp": "1"}
"""A connection that begins in the middle is taken over from another director: mh chooses alike."""

ANSWERED = {"net.ipv4.conf.all.accept_local": "1"}
"""A real server answers this host itself, from the VIP, which is an address of this host too."""


class Surroundings:
    """Keeps all of it; blocking, for one thread at a time."""

    def __init__(self, servers: Servers, settings: Settings, owned: Memories, wants: Wants) -> None:
        self._servers = servers
        self._settings = settings
        self._owned = owned
        self._wants = wants

    def ensure(self, complaints: list[str]) -> int:
        """Make all of it right; return how many changes. What can't be had is complained of."""
        changes = 0
        for work in (self._set_all, self._time, self._synchronise):
            try:
                changes += work()
            except Transient as error:
                complaints.append(str(error))
        return changes

    def allow(self, wanted: Mapping[Key, VirtualServer], complaints: list[str]) -> None:
        """Set what only some virtual servers need."""
        try:
            if any(_moves_between_directors(server) for server in wanted.values()):
                self._set(SLOPPY)
            if any(key.family == 4 and _answers_itself(wanted[key]) for key in wanted):
                self._set(ANSWERED)
            if self._wants.forwarding and any(key.family == 6 for key in wanted):
                self._set(self._settings.forwarding6())
        except Transient as error:
            complaints.append(str(error))

    def read(self) -> dict[str, str]:
        """Return settings and timeouts as they are now, for people."""
        found = self._settings.read([*self._wants.sysctls, *SLOPPY, *ANSWERED])
        seconds = " ".join(map(str, self._servers.timeouts()))
        return {**found, "timeouts (tcp, tcp_fin, udp)": f"{seconds} s"}

    def restore(self, memory: Memory) -> int:
        """Set back what is remembered and still there; return how much it was."""
        there = self._settings.read(memory.sysctls)  # an interface goes with its settings
        restored = len(self._settings.ensure({n: memory.sysctls[n] for n in there}))
        if memory.timeouts is not None:
            self._servers.set_timeouts(*memory.timeouts)
            restored += 1
        for daemon in sorted(memory.daemons & self._servers.daemons()):
            self._servers.stop(daemon)
            restored += 1
        return restored

    def _set_all(self) -> int:
        return self._set(self._wants.sysctls)

    def _set(self, wanted: Mapping[str, str]) -> int:
        """Write settings that differ; what they were is remembered first."""
        there = self._settings.read(wanted).items()
        before = {name: old for name, old in there if old != wanted[name]}
        if before:
            # Of a setting written twice the first value is the one that was there before us.
            memory = self._owned.memory
            sysctls = before | memory.sysctls
            self._owned.keep(msgspec.structs.replace(memory, sysctls=sysctls))
        return len(self._settings.ensure(wanted))

    def _time(self) -> int:
        """Set timeouts that differ."""
        if not any(self._wants.timeouts):
            return 0
        found = self._servers.timeouts()
        pairs = zip(found, self._wants.timeouts, strict=True)
        if all(wanted in (0, there) for there, wanted in pairs):
            return 0
        memory = self._owned.memory
        self._owned.keep(msgspec.structs.replace(memory, timeouts=memory.timeouts or found))
        self._servers.set_timeouts(*self._wants.timeouts)
        return 1

    def _synchronise(self) -> int:
        """Start and stop the daemons that synchronise connections; those of others stay."""
        memory, wanted = self._owned.memory, self._wants.daemons
        if not wanted and not memory.daemons:
            return 0
        there = self._servers.daemons()
        old, new = memory.daemons & there - wanted, wanted - there
        for daemon in sorted(old):
            self._servers.stop(daemon)
        ours = memory.daemons & wanted
        self._owned.keep(msgspec.structs.replace(memory, daemons=ours))
        for daemon in sorted(new):
            self._servers.start(daemon)
            ours |= {daemon}
            self._owned.keep(msgspec.structs.replace(memory, daemons=ours))
        return len(old) + len(new)


def _moves_between_directors(server: VirtualServer) -> bool:
    return server.settings.scheduler == ORDERED and _answers_itself(server)


def _answers_itself(server: VirtualServer) -> bool:
    return any(real.forwarding != Forwarding.MASQUERADE for real in server.real_servers.values())
