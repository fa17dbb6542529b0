"""What can be asked over HTTP, and what is answered: the declarations that all else follows."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pointsman import answers
from pointsman.answers import PROBLEM, Problem
from pointsman.discovery.model import Note
from pointsman.events import KEPT, Kind, Page
from pointsman.resolve import Explanation

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


JSON, TEXT = "application/json", "text/plain"


class Endpoint(msgspec.Struct, frozen=True):
    """One path, what it takes and what it answers."""

    path: str
    about: str
    answer: Any
    """Its type; ``str`` where that is text."""
    query: type[msgspec.Struct] | None = None
    """Its parameters; None where none are looked at."""
    media: str = JSON
    method: str = "GET"
    others: Mapping[int, tuple[str, str, Any]] = {}
    """Further statuses: about each, and its media type and type; all else is a Problem."""


_TOKEN = {
    401: ("No token, or another than that of `http.token_file`.", PROBLEM, Problem),
    403: ("`http.token_file` is not set: nothing can be changed.", PROBLEM, Problem),
}

ENDPOINTS = (
    Endpoint("/healthz", "Whether the process answers.", str, media=TEXT),
    Endpoint("/readyz", "Whether this node serves.", str, media=TEXT,
             others={503: ("Not yet, and why.", TEXT, str)}),
    Endpoint("/metrics", "Metrics, in the text format of Prometheus.", str, media=TEXT),
    Endpoint("/v1/summary", "All at a glance.", answers.Summary, NoQuery),
    Endpoint("/v1/status", "Virtual servers, and what goes through them.", answers.NodeStatus,
             StatusQuery),
    Endpoint("/v1/events", "What happened lately, the oldest first.", Page, EventsQuery),
    Endpoint("/v1/watch", "What happens, as server-sent events; each holds an Event.", str,
             WatchQuery, "text/event-stream",
             others={503: ("As many watch as may.", PROBLEM, Problem)}),
    Endpoint("/v1/resolve", "What a name resolves to, and why.", Explanation, ResolveQuery),
    Endpoint("/v1/health", "What this node probes.", answers.Checked),
    Endpoint("/v1/notes", "What was left out, and why.", list[Note]),
    Endpoint("/v1/vips", "Virtual servers, as dcos-net tells them.", list[answers.Vip]),
    Endpoint("/v1/records", "All records, as dcos-net tells them.", list[answers.Record]),
    Endpoint("/v1/version", "The program, as mesos-dns tells it.", answers.Version),
    Endpoint("/v1/config", "The configuration, as mesos-dns tells it.", answers.MesosDnsConfig),
    Endpoint("/v1/hosts/{host}", "The addresses of a name, as mesos-dns.", list[answers.Host]),
    Endpoint("/v1/hosts/{host}/ports", "Nothing, as mesos-dns.", str, media=TEXT,
             others={501: ("Always.", TEXT, str)}),
    Endpoint("/v1/services/{service}", "The targets of a name, as mesos-dns.",
             list[answers.Service]),
    Endpoint("/v1/enumerate", "All tasks with their records, as mesos-dns.", answers.Enumeration),
    Endpoint("/v1/axfr", "The cluster's own zone, as mesos-dns.", answers.Transfer,
             others={503: ("It is not there yet.", TEXT, str)}),
    Endpoint("/v1/openapi.json", "This document.", dict[str, Any]),
    Endpoint("/v1/reload", "Reads the configuration again, as SIGHUP does.", answers.Reloaded,
             NoQuery, method="POST",
             others={**_TOKEN, 409: ("It can't be used.", JSON, answers.Reloaded)}),
    Endpoint("/v1/resync", "Reads the whole kernel, and makes it right.", answers.Resynced,
             NoQuery, method="POST",
             others={**_TOKEN, 503: ("The kernel can't be asked.", PROBLEM, Problem)}),
)  # fmt: skip
"""All of them."""


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
