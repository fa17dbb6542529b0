"""What happened while the cluster was followed, in plain numbers."""

from collections import Counter

import msgspec


class Seen(msgspec.Struct):
    """Changed in place, by one thread; read by whoever exports it."""

    mode: str = ""
    """How the cluster is followed: stream, get_state, state or file; empty while nothing works."""
    heard: float = 0.0
    """When the view was last known to be true, in seconds since 1970; 0 for never."""
    readings: Counter[str] = msgspec.field(default_factory=Counter)
    """Whole readings, by mode."""
    failures: int = 0
    """Tries after which no master, or no file, gave a state."""
    events: Counter[str] = msgspec.field(default_factory=Counter)
    """Events of streams, by kind."""
    corrected: int = 0
    """Tasks that the state at the begin of a stream told otherwise than the stream before it."""
    asked: int = 0
    """Questions about single tasks that an event left unclear."""
    guarded: int = 0
    """Readings that lacked too many tasks to be believed at once."""
    lag_sum: float = 0.0
    """Seconds from status updates to their arrival here, by the clocks of their executors."""
    lag_count: int = 0
