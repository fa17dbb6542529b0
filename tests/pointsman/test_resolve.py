"""What a name resolves to, and why."""

import pytest

from pointsman.config import Config, DnsConfig
from pointsman.discovery.model import Cluster, Task
from pointsman.resolve import explain, text
from pointsman.testing import cluster, discovery, labels, port, task


def said(name: str, *tasks: Task, type_: str = "ANY", config: Config | None = None) -> list[str]:
    return text(explain(name, type_, cluster(*tasks), config or Config())).splitlines()


def test_a_name_is_explained_by_its_tasks() -> None:
    one, two = task("web.1"), task("web.2", addresses=("9.0.0.5",))
    assert said("WEB.marathon.mesos", one, two) == [
        "web.marathon.mesos. 60 A 10.0.0.11",
        "web.marathon.mesos. 60 A 9.0.0.5",
        "  A 10.0.0.11: task web.1 of marathon",
        "  A 9.0.0.5: task web.2 of marathon",
    ]


def test_one_type_may_be_asked_for() -> None:
    both = task("web.1", addresses=("10.0.0.5", "fd00::5"))
    assert (
        said("web.marathon.mesos.", both, type_="AAAA")[0] == "web.marathon.mesos. 60 AAAA fd00::5"
    )
    assert said("web.marathon.mesos.", both, type_="TXT") == [
        "web.marathon.mesos. has no records of this type"
    ]


def test_who_stands_behind_others_and_who_is_left_out_is_said() -> None:
    well, ill = task("web.1", healthy=True), task("web.2", healthy=False, addresses=("9.0.0.5",))
    new, bad = task("web.3", state="TASK_STAGING"), task("web.4", labels=labels(DNS_TTL="x"))
    lines = said("web.marathon.mesos", well, ill, new)
    assert "  A 9.0.0.5: task web.2 of marathon; not answered: not healthy" in lines
    assert "  left out: task web.3: it is TASK_STAGING" in lines
    lines = said("nope.mesos", well, bad)
    assert lines == ["nope.mesos. is not there (NXDOMAIN)"]


def test_a_task_that_is_left_out_is_found_by_its_discovery_name_too() -> None:
    new = task("x.1", state="TASK_STARTING", discovery=discovery("my.shop"))
    assert "  left out: task x.1: it is TASK_STARTING" in said("my-shop.marathon.mesos", new)


def test_a_name_that_another_has_is_said_to_be_its() -> None:
    claim = labels(DNS_NAMES="api")
    mine = task("a.1", labels=claim)
    theirs = task("b.1", labels=claim, addresses=("9.0.0.5",))
    lines = said("api.mesos", mine, theirs)
    assert "  A 10.0.0.11: task a.1 of marathon" in lines
    assert "  A 9.0.0.5: task b.1 of marathon; not answered: another has this name" in lines


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("web.marathon.l4lb.thisdcos.directory", "VIP of web.1"),
        ("web.marathon.dclb.thisdcos.global", "VIP of web.1"),
        ("web.marathon.autoip.dcos.thisdcos.directory", "task web.1 of marathon"),
        ("web.marathon.mesos.thisdcos.directory", "task web.1 of marathon"),
        ("leader.mesos", "masters"),
        ("slave.mesos", "agent S1"),
        ("marathon.mesos", "framework F1"),
    ],
)
def test_every_kind_of_name_has_its_reason(name: str, why: str) -> None:
    of = task("web.1", discovery=discovery("web", port(31000, VIP_0="/web:80")))
    found = explain(name, "ANY", cluster(of), Config())
    assert found.answer
    assert {origin.of for origin in found.origins if origin.answered} == {why}


def test_a_name_of_nobody_is_refused() -> None:
    assert said("example.com") == ["example.com. is in none of our zones: the answer is REFUSED"]
    assert (
        explain("a.thisdcos.directory", "A", Cluster(), Config(dns=DnsConfig(dcos=()))).zone == ""
    )
