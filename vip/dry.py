"""Doubles that look at the kernel and change nothing: for dry runs."""

from collections.abc import Mapping, Sequence

from pointsman.vip.model import Change, Failure
from pointsman.vip.owned import Memory
from pointsman.vip.parts import Servers, Settings
from pointsman.vip.sync import Daemon


class DryServers:
    """Virtual servers that can only be read."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.table = servers.table
        self.holds = servers.holds
        self.activity = servers.activity
        self.traffic = servers.traffic
        self.timeouts = servers.timeouts
        self.daemons = servers.daemons

    def apply(self, changes: Sequence[Change]) -> tuple[Failure, ...]:
        """Change nothing, and refuse nothing."""
        del changes
        return ()

    def set_timeouts(self, tcp: int = 0, tcp_fin: int = 0, udp: int = 0) -> None:
        """Change nothing."""

    def start(self, daemon: Daemon) -> None:
        """Start nothing."""

    def stop(self, daemon: Daemon) -> None:
        """Stop nothing."""


class DryRoutes:
    """Routes that nobody makes."""

    def sync(self, addresses: Sequence[str]) -> int:
        """Change nothing."""
        del addresses
        return 0

    def remove(self) -> int:
        """Remove nothing."""
        return 0


class DrySettings:
    """Settings that nobody writes."""

    def __init__(self, settings: Settings) -> None:
        self.read = settings.read
        self.forwarding6 = settings.forwarding6

    def ensure(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Write nothing."""
        del wanted
        return {}


class DryOwned:
    """A memory that is read and not written."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def keep(self, memory: Memory) -> None:
        """Remember this, for as long as the run lasts."""
        self.memory = memory
