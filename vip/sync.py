"""Connection synchronisation: directors tell each other of their connections by multicast.

Flows then survive the move of a VIP from one director to another. IPVS has at most one daemon that
tells (``master``) and one that listens (``backup``) in a network namespace.
"""

import struct
from typing import Annotated, Literal

import msgspec

from pointsman.vip.messages import attributes

NEW_DAEMON, DEL_DAEMON, GET_DAEMON = 9, 10, 11
_DAEMON = 3  # IPVS_CMD_ATTR_DAEMON
_STATE, _INTERFACE, _ID = 1, 2, 3
_STATES = {"master": 1, "backup": 2}  # IP_VS_STATE_*


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether connections are synchronised, and how."""

    interface: Annotated[str, msgspec.Meta(pattern=r"^[^\s/]{0,15}$")] = ""
    """Interface of the multicast, which has an address; empty for no synchronisation."""
    id: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    """Equal on directors that listen to each other; 0 listens to all."""
    role: Literal["both", "master", "backup"] = "both"
    """``master`` tells of its connections, ``backup`` listens."""


class Daemon(msgspec.Struct, frozen=True, order=True):
    """One that runs in the kernel."""

    state: str
    """``master`` or ``backup``."""
    interface: str
    id: int

    def __str__(self) -> str:
        return f"sync daemon {self.state} on {self.interface}, id {self.id}"


def wanted(sync: Sync) -> frozenset[Daemon]:
    """Return the daemons that are to run."""
    states = ("master", "backup") if sync.role == "both" else (sync.role,)
    if not sync.interface:
        return frozenset()
    return frozenset(Daemon(state, sync.interface, sync.id) for state in states)


def named(daemon: Daemon) -> bytes:
    """Return the attributes of NEW_DAEMON and DEL_DAEMON."""
    name = daemon.interface.encode() + b"\0"
    state = struct.pack("=HHI", 8, _STATE, _STATES[daemon.state])
    interface = struct.pack("=HH", 4 + len(name), _INTERFACE) + name + bytes(-len(name) % 4)
    data = state + interface + struct.pack("=HHI", 8, _ID, daemon.id)
    return struct.pack("=HH", 4 + len(data), _DAEMON) + data


def read(body: bytes) -> Daemon:
    """Read one message of a dump of daemons; ``body`` begins with the generic header.

    Raises ValueError when it is none.
    """
    try:
        found = attributes(attributes(body[4:])[_DAEMON])
        (state,) = struct.unpack("=I", found[_STATE])
        (id_,) = struct.unpack("=I", found[_ID])
        names = {number: name for name, number in _STATES.items()}
        return Daemon(names[state], found[_INTERFACE].rstrip(b"\0").decode(), id_)
    except (KeyError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a sync daemon: {body.hex()}") from error
