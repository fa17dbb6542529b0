"""What is published, in the shapes of mesos-dns and dcos-net."""

from typing import Any

import msgspec

from pointsman import records_api
from pointsman.config import Config, DiscoveryConfig
from pointsman.discovery.access import Auth
from pointsman.dns.names import canonical
from pointsman.dns.zone import Zones
from pointsman.generation import zones
from pointsman.pipeline import Views, derive
from pointsman.rules import rules
from pointsman.testing import cluster, discovery, port, task

CONFIG = Config(
    discovery=DiscoveryConfig(masters=("10.0.0.1:5050",), auth=Auth(token_env="SECRET"))
)
WEB = task("web.1", addresses=("9.0.0.5", "fd00::5"), discovery=discovery("web", port(80, "http")))
TARGET = f"{canonical('web', 'web.1', 'S1')}.marathon.mesos."


def served(*tasks: Any) -> tuple[Views, Zones]:
    views = derive(cluster(*tasks), rules(CONFIG))
    found = zones(CONFIG, ["10.0.0.9"], 7)
    found.update((), views.added)
    return views, found


def test_it_passes_for_a_mesos_dns() -> None:
    assert records_api.version()["Service"] == "Mesos-DNS"


def test_a_host_has_a_row_for_each_address() -> None:
    _, found = served(WEB)
    rows = [
        {"host": "web.marathon.mesos.", "ip": "9.0.0.5"},
        {"host": "web.marathon.mesos.", "ip": "fd00::5"},
    ]
    for asked in ("web.marathon.mesos", "WEB.marathon.mesos."):
        assert records_api.hosts(found, asked) == rows
    for unknown in ("nope.mesos", "example.com", "", ".", "x" * 300, "a..b"):
        assert records_api.hosts(found, unknown) == [{"host": "", "ip": ""}]


def test_a_service_has_a_row_for_each_address_of_each_target() -> None:
    _, found = served(WEB)
    asked = "_http._web._tcp.marathon.mesos"
    assert records_api.services(found, asked) == [
        {"service": asked, "host": TARGET, "ip": "9.0.0.5", "port": "80"},
        {"service": asked, "host": TARGET, "ip": "fd00::5", "port": "80"},
    ]
    empty = {"service": "", "host": "", "ip": "", "port": ""}
    assert records_api.services(found, "_nope._tcp.mesos") == [empty]


def test_tasks_are_listed_with_their_records() -> None:
    views, _ = served(WEB, task("job.1"), task("new.1", state="TASK_STAGING"))
    (framework,) = records_api.enumerate_(views, CONFIG)["frameworks"]
    assert framework["name"] == "marathon"
    assert [one["id"] for one in framework["tasks"]] == ["job.1", "web.1"]
    rows = framework["tasks"][1]["records"]
    assert {"name": "web.marathon.mesos.", "host": "9.0.0.5", "rtype": "A"} in rows
    service = {"name": "_web._tcp.marathon.mesos.", "host": f"{TARGET}:80", "rtype": "SRV"}
    assert service in rows
    assert not any("thisdcos" in row["name"] for row in rows)


def test_the_zone_is_transferred_whole() -> None:
    views, found = served(WEB)
    zone = next(iter(found))
    said = records_api.transfer(views, CONFIG, records_api.head(CONFIG, zone))
    assert {key: said[key] for key in ("TTL", "Mname", "Rname", "Domain")} == {
        "TTL": 60, "Mname": "ns1.mesos.", "Rname": "root.ns1.mesos.", "Domain": "mesos",
    }  # fmt: skip
    assert said["Serial"] == zone.serial
    assert said["Records"]["As"]["ns1.mesos."] == ["10.0.0.9"]
    assert said["Records"]["As"]["web.marathon.mesos."] == ["9.0.0.5"]
    assert said["Records"]["AAAAs"]["web.marathon.mesos."] == ["fd00::5"]
    assert said["Records"]["SRVs"]["_web._tcp.marathon.mesos."] == [f"{TARGET}:80"]


def test_all_records_are_listed_as_dcos_net_does() -> None:
    vip = task("web.1", discovery=discovery("web", port(80, VIP_0="/web:80")))
    rows = records_api.records(served(vip)[0], CONFIG)
    names = {row["name"] for row in rows}
    assert {
        "web.marathon.mesos.",
        "web.marathon.autoip.dcos.thisdcos.directory.",
        "web.marathon.l4lb.thisdcos.directory.",
    } <= names
    assert rows == sorted(rows, key=lambda row: (row["name"], row["rtype"], row["host"]))


def test_the_configuration_is_told_in_mesos_dns_words_without_secrets() -> None:
    said = records_api.config(CONFIG)
    assert (said["Domain"], said["TTL"], said["Masters"]) == ("mesos", 60, ["10.0.0.1:5050"])
    assert b"SECRET" not in msgspec.json.encode(said)
