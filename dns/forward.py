"""Questions about other zones: which upstreams are asked, and who may ask."""

from typing import Annotated

import msgspec

from pointsman.dns.limit import INSIDE


class Forward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where questions about names outside of the own zones are sent."""

    upstreams: tuple[str, ...] = ()
    """``ADDRESS[:PORT]`` of each resolver; empty refuses all other names."""
    zones: dict[str, tuple[str, ...]] = {}
    """Upstreams of single zones, as in {"consul": ["127.0.0.1:8600"]}; the longest match counts."""
    allow: tuple[str, ...] = INSIDE
    """Networks whose clients may ask for other names."""
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """Seconds until a question that no upstream answers has failed."""
    cache_size: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Answers that are remembered at most; 0 for none."""
    serve_stale: Annotated[float, msgspec.Meta(ge=0)] = 86_400.0
    """Seconds that an answer is still given after its time, when all upstreams fail; 0 for none."""
