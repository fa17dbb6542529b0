"""Reads a document of any kind that tells of a cluster, whoever wrote it.

A master's or an agent's ``/state``, a reply to ``GET_STATE``, or what a stream said: its records as
they came (RecordIO), or one JSON object a line.
"""

import re
from collections.abc import Iterator

from pointsman.discovery import v0, v1
from pointsman.discovery.errors import Transient
from pointsman.discovery.fold import fold
from pointsman.discovery.listing import gather
from pointsman.discovery.model import Cluster
from pointsman.discovery.recordio import Records

_RECORDIO = re.compile(rb"\s*\d+\n")
_V1 = re.compile(rb'\s*\{\s*"type"\s*:')
_LINES = re.compile(rb"\}\s*\n\s*\{")


def read(document: bytes) -> Cluster:
    """Return the cluster that a document tells of; of a recorded stream, that at its end.

    Raises Transient when it is none of these, or is damaged.
    """
    if _RECORDIO.match(document):
        return _replayed(_records(document))
    if _V1.match(document):
        if _LINES.search(document) and b'"SUBSCRIBED"' in document:
            return _replayed(filter(None, map(bytes.strip, document.splitlines())))
        return gather([v1.read(document)])
    return gather([v0.read(document)])


def _records(document: bytes) -> Iterator[bytes]:
    """Yield the whole records; what a recording was stopped in the middle of counts as not said."""
    yield from map(b"".join, Records().feed(document))


def _replayed(records: Iterator[bytes]) -> Cluster:
    cluster = None
    for record in records:
        said = v1.event(record)
        if isinstance(said, v1.Snapshot):
            cluster = gather([said.listing], cluster or Cluster())
        elif cluster is None:
            raise Transient("a recorded stream that does not begin with the state")
        else:
            cluster, _ = fold(cluster, said)
    if cluster is None:
        raise Transient("a recorded stream without a whole record")
    return cluster
