"""Compares our zone with that of a mesos-dns that runs beside us, before it is replaced."""

import urllib.request
from collections.abc import Iterator

import msgspec

from pointsman.config import Config
from pointsman.discovery.errors import Transient
from pointsman.discovery.model import Cluster
from pointsman.healthcheck.model import TRUSTING
from pointsman.pipeline import derive
from pointsman.rules import rules

TIMEOUT = 30.0

Plain = tuple[str, str, str]
"""Name, type and data; of SRV records target and port."""


class _Records(msgspec.Struct, frozen=True):
    As: dict[str, list[str]] = {}
    AAAAs: dict[str, list[str]] = {}
    SRVs: dict[str, list[str]] = {}


class _Axfr(msgspec.Struct, frozen=True):
    """What mesos-dns answers at ``/v1/axfr``."""

    Records: _Records
    Mname: str = ""


def compare(url: str, cluster: Cluster, config: Config) -> str:
    """Return a line for each record that only one of both has, "" when there is none.

    Raises Transient when the other does not answer with its zone.
    """
    theirs, ours = set(_theirs(url)), set(_ours(cluster, config))
    lines = sorted([(*one, "-") for one in theirs - ours] + [(*one, "+") for one in ours - theirs])
    return "".join(f"{sign} {name} {type_} {data}\n" for name, type_, data, sign in lines)


def _theirs(url: str) -> Iterator[Plain]:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/v1/axfr", timeout=TIMEOUT) as reply:
            said = msgspec.json.decode(reply.read(), type=_Axfr)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise Transient(f"{url}/v1/axfr: {error}") from error
    # The nameserver is each its own.
    for type_, table in (("A", said.Records.As), ("AAAA", said.Records.AAAAs)):
        for name, found in table.items():
            if name.lower() != said.Mname.lower():
                yield from ((name.lower(), type_, data) for data in found)
    for name, found in said.Records.SRVs.items():
        yield from ((name.lower(), "SRV", data.lower()) for data in found)


def _ours(cluster: Cluster, config: Config) -> Iterator[Plain]:
    apex = f".{config.dns.domain}."
    for derived in derive(cluster, rules(config), health=TRUSTING).derived.values():
        for record in derived.records:
            if record.name.endswith(apex) and not record.claim:
                data = record.data
                if record.type == "SRV":
                    _, _, port, target = data.split()
                    data = f"{target}:{port}"
                yield record.name, record.type, data
