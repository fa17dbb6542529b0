"""What can be asked over HTTP, and what is answered: the declarations that all else follows."""

from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pointsman.events import KEPT, Kind

Q = TypeVar("Q")

Range: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)]
Id: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class BadParameter(Exception):
    """A parameter of a request can't be used."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"parameter {name}: {why}" if name else why)
        self.name = name


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    since: Annotated[Id, Meta(description="only events after this id")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=KEPT, description="at most so many")] = KEPT
    kind: Annotated[Kind, Meta(description="only events of this kind")] | UnsetType = UNSET


class WatchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on to watch."""

    since: Annotated[Id, Meta(description="as the header Last-Event-ID")] | UnsetType = UNSET


class ResolveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of DNS."""

    name: Annotated[str, Meta(min_length=1, max_length=255, description="with or without a dot")]
    type: Annotated[
        str, Meta(pattern="^[A-Za-z0-9]{1,10}$", description="a type of records, or ANY")
    ] = "ANY"


class StatusQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which virtual servers."""

    search: Annotated[
        str, Meta(max_length=255, description="in the name, the address or a task's id")
    ] = ""
    limit: Annotated[Range, Meta(description="at most so many; 0 for all")] = 0
    offset: Annotated[Range, Meta(description="without so many of the first")] = 0


class Summary(msgspec.Struct, frozen=True):
    """The cluster and this node at a glance."""

    version: str
    node: str
    ready: bool
    not_ready: str
    mode: str
    leader: str | None
    agents: int
    frameworks: int
    tasks: int
    virtual_servers: int
    real_servers: int
    names: int
    notes: int
    complaints: tuple[str, ...]
    last_event: int


def read(given: Iterable[tuple[str, str]], kind: type[Q]) -> Q:
    """Return the parameters of a request as what an endpoint takes; raises BadParameter."""
    values: dict[str, str] = {}
    for name, value in given:
        if name in values:
            raise BadParameter(name, "is given twice")
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        why, _, place = str(error).partition(" - at ")
        name = place.strip("`").removeprefix("$").lstrip(".")
        if not name and "`" in why:  # an unknown one, or one that is missing
            name, why = why.split("`")[1], why.replace("Object", "the request")
        raise BadParameter(name, why) from error
