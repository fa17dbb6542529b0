"""What is published, as mesos-dns and dcos-net tell it over HTTP: the same paths, the same shapes.

Large answers are made of the views, which do not change, so that a thread can; single names are
looked up in the zones.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pointsman import __version__
from pointsman.config import Config
from pointsman.dns.records import Record
from pointsman.dns.zone import Zone, Zones
from pointsman.pipeline import Views
from pointsman.show import vip_records

Json = dict[str, Any]

MEMBERS = {"A": "As", "AAAA": "AAAAs", "SRV": "SRVs"}
"""Of mesos-dns's transfer, by type."""


def version() -> Json:
    """Return what ``/v1/version`` says: of a mesos-dns, as those who ask look for one."""
    return {"Service": "Mesos-DNS", "URL": "", "Version": f"pointsman {__version__}"}


def config(of: Config) -> Json:
    """Return ``/v1/config``: mesos-dns's keys with our values, as far as there are any."""
    listen = [address.rpartition(":") for address in of.dns.listen]
    return {
        "RefreshSeconds": of.discovery.poll_interval,
        "TTL": of.dns.ttl,
        "Port": int(listen[0][2]),
        "Domain": of.dns.domain,
        "Masters": list(of.discovery.masters),
        "Listener": listen[0][0].strip("[]"),
        "HTTPPort": int(of.http.listen.rpartition(":")[2] or 0),
        "HTTPOn": bool(of.http.listen),
        "DNSOn": True,
        "ExternalOn": False,
        "EnforceRFC952": of.dns.enforce_rfc952,
        "IPSources": list(of.dns.ip_sources),
        "SRVRecordDefaultWeight": of.dns.srv_weight,
        "MesosHTTPSOn": of.discovery.tls.enabled,
    }


def hosts(zones: Zones, host: str) -> list[Json]:
    """Return ``/v1/hosts/HOST``: its addresses, one empty row when it has none."""
    name = _absolute(host)
    rows = [
        {"host": name, "ip": address}
        for type_ in ("A", "AAAA")
        for address in _data(zones, name, type_)
    ]
    return rows or [{"host": "", "ip": ""}]


def services(zones: Zones, service: str) -> list[Json]:
    """Return ``/v1/services/SERVICE``: its targets with their addresses, one empty row for none."""
    rows = []
    for data in _data(zones, _absolute(service), "SRV"):
        _, _, port, target = data.split()
        addresses = [*_data(zones, target, "A"), *_data(zones, target, "AAAA")]
        rows += [
            {"service": service, "host": target, "ip": address, "port": port}
            for address in addresses or [""]
        ]
    return rows or [{"service": "", "host": "", "ip": "", "port": ""}]


def enumerate_(views: Views, of: Config) -> Json:
    """Return ``/v1/enumerate``: the tasks of each framework, with their records."""
    frameworks: dict[str, list[Json]] = {}
    for key, told in sorted(views.cluster.tasks.items()):
        framework = views.cluster.frameworks.get(told.framework_id)
        derived = views.derived.get(key)
        records = [_row(r) for r in _in(derived.records if derived else (), of)]
        if framework is not None and records:
            task = {"name": told.name, "id": told.id, "records": records}
            frameworks.setdefault(framework.name, []).append(task)
    return {"frameworks": [{"tasks": t, "name": name} for name, t in frameworks.items()]}


def head(of: Config, zone: Zone) -> Json:
    """Return what ``/v1/axfr`` tells of the zone itself, with the records of its nameserver."""
    name = zone.soa.mname
    own = {MEMBERS[type_]: zone.rrset(name, type_) for type_ in ("A", "AAAA")}
    return {
        "TTL": of.dns.ttl,
        "Serial": zone.serial,
        "RefreshSeconds": of.discovery.poll_interval,
        "Mname": name,
        "Rname": zone.soa.rname,
        "Domain": of.dns.domain,
        "Records": {member: {name: set(found.data)} for member, found in own.items() if found},
    }


def transfer(views: Views, of: Config, head: Json) -> Json:
    """Return ``/v1/axfr``: the zone's ``head``, and all records of the cluster in it."""
    found: dict[str, dict[str, set[str]]] = {member: {} for member in MEMBERS.values()}
    found |= head["Records"]
    for derived in views.derived.values():
        for record in _in(derived.records, of):
            found[MEMBERS[record.type]].setdefault(record.name, set()).add(_host(record))
    return {
        **head,
        "Records": {
            member: {name: sorted(data) for name, data in sorted(names.items())}
            for member, names in found.items()
        },
    }


def records(views: Views, of: Config) -> list[Json]:
    """Return dcos-net's ``/v1/records``: the records of all zones."""
    every = {r for derived in views.derived.values() for r in derived.records}
    every.update(vip_records(views.wanted.names, of))
    rows = {(r.name, r.type, _host(r)) for r in every if r.type in MEMBERS}
    return [{"name": name, "host": host, "rtype": type_} for name, type_, host in sorted(rows)]


def _absolute(name: str) -> str:
    return f"{name.lower().rstrip('.')}."


def _data(zones: Zones, name: str, type_: str) -> tuple[str, ...]:
    found = zones.rrset(name, type_)
    return found.data if found else ()


def _in(found: Iterable[Record], of: Config) -> Iterator[Record]:
    """Yield the records of the cluster's own zone that mesos-dns could have."""
    apex = f".{of.dns.domain}."
    return (r for r in found if r.name.endswith(apex) and r.type in MEMBERS)


def _row(record: Record) -> Json:
    return {"name": record.name, "host": _host(record), "rtype": record.type}


def _host(record: Record) -> str:
    if record.type != "SRV":
        return record.data
    _, _, port, target = record.data.split()
    return f"{target}:{port}"
