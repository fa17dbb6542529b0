"""Zone transfers to secondaries: whole, or what changed since a serial."""

from typing import Annotated

import msgspec


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may have copies of the zones, and who is told of changes."""

    allow: tuple[str, ...] = ()
    """Networks that may transfer the zones; with `key_file` empty for any, else for none."""
    key_file: str = ""
    """File with the keys of TSIG, as BIND's tsig-keygen prints them; then nothing goes unsigned."""
    notify: tuple[str, ...] = ()
    """``ADDRESS[:PORT]`` of each secondary that is told when a zone changed."""
    journal: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    """Changed records that are remembered of each zone (IXFR); 0 for whole copies only."""
