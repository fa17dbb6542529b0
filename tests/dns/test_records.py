"""What mesos-dns publishes, as lines of a zone file."""

from typing import Any

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.model import Agent, Cluster, Framework, Master, Note, Task
from pointsman.dns.names import servable
from pointsman.dns.records import (
    NameRules,
    Record,
    address_records,
    agent_records,
    framework_records,
    master_records,
    task_addresses,
    task_records,
)
from pointsman.healthcheck.verdict import Verdict
from pointsman.testing import discovery, port, task

RULES = NameRules()


def lines(records: tuple[Record, ...]) -> set[str]:
    return {f"{r.name} {r.type} {r.data}" for r in records}


def of(task_: Task, **rules: Any) -> set[str]:
    records, notes = task_records(task_, NameRules(**rules))
    assert notes == ()
    return lines(records)


def test_a_task_without_discovery() -> None:
    found = of(task("web.1", addresses=("9.0.0.5",), ports=(31000,)))
    (instance,) = {line.split(".")[0] for line in found if line.startswith("web-")}
    assert found == {
        "web.marathon.mesos. A 9.0.0.5",
        f"{instance}.marathon.mesos. A 9.0.0.5",
        "web.marathon.slave.mesos. A 10.0.0.11",
        f"{instance}.marathon.slave.mesos. A 10.0.0.11",
        f"_web._tcp.marathon.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
        f"_web._udp.marathon.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
        f"_web._tcp.marathon.slave.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
        f"_web._udp.marathon.slave.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
    }


def test_a_task_with_discovery() -> None:
    info = discovery("shop", port(80, "http"), port(53, "", "udp"))
    found = of(task("web.1", addresses=("9.0.0.5",), ports=(31000,), discovery=info))
    (instance,) = {line.split(".")[0] for line in found if line.startswith("shop-")}
    assert {line for line in found if " SRV " in line} == {
        f"_shop._tcp.marathon.slave.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
        f"_shop._udp.marathon.slave.mesos. SRV 0 1 31000 {instance}.marathon.slave.mesos.",
        f"_shop._tcp.marathon.mesos. SRV 0 1 80 {instance}.marathon.mesos.",
        f"_http._shop._tcp.marathon.mesos. SRV 0 1 80 {instance}.marathon.mesos.",
        f"_shop._udp.marathon.mesos. SRV 0 1 53 {instance}.marathon.mesos.",
    }
    assert "shop.marathon.mesos. A 9.0.0.5" in found


def test_a_dotted_discovery_name_is_published_twice() -> None:
    found = of(task(discovery=discovery("app.Group", port(80, "http"))))
    for name in ("app-group", "app.group"):
        assert f"{name}.marathon.mesos. A 10.0.0.11" in found
        assert any(line.startswith(f"_{name}._tcp.marathon.mesos. SRV") for line in found)


def test_a_port_without_a_protocol_is_both_and_so_is_one_that_names_both() -> None:
    for protocol in ("", "udp,tcp"):
        found = of(task(discovery=discovery("dns", port(53, protocol=protocol))))
        kinds = {line.split(".")[1] for line in found if " SRV " in line}
        assert kinds == {"_tcp", "_udp"}


def test_only_running_tasks_have_records() -> None:
    for state in ("TASK_STAGING", "TASK_KILLING", "TASK_FAILED", "TASK_UNREACHABLE"):
        assert task_records(task(state=state), RULES) == ((), ())


def test_the_first_source_with_an_address_gives_all() -> None:
    web = task(
        addresses=("9.0.0.5", "fd00::5"), docker_address="172.17.0.2", mesos_address="10.9.9.9"
    )
    assert task_addresses(web, ("netinfo", "host")) == ("9.0.0.5", "fd00::5")
    assert task_addresses(web, ("docker", "netinfo")) == ("172.17.0.2",)
    assert task_addresses(web, ("mesos",)) == ("10.9.9.9",)
    assert task_addresses(web, ("host", "netinfo")) == ("10.0.0.11",)
    assert task_addresses(task(addresses=()), ("netinfo", "docker")) == ()


def test_ipv6_addresses_are_aaaa() -> None:
    assert "web.marathon.mesos. AAAA fd00::5" in of(task(addresses=("9.0.0.5", "fd00::5")))


@pytest.mark.parametrize("verdict", [Verdict.UNHEALTHY, Verdict.LOST, Verdict.STARTING])
def test_what_is_not_live_comes_last(verdict: Verdict) -> None:
    def preferred(rules: NameRules, judged: Verdict) -> set[bool]:
        return {r.preferred for r in task_records(task(), rules, judged)[0]}

    assert preferred(RULES, Verdict.LIVE) == {True}
    assert preferred(RULES, verdict) == {False}
    assert preferred(NameRules(unhealthy="include"), verdict) == {True}


def test_what_cannot_be_served_is_left_out_with_a_note() -> None:
    assert task_records(task("é"), RULES) == (
        (),
        (Note("task é of marathon", "nothing of its name is left"),),
    )
    assert "framework's name" in task_records(task(framework="é"), RULES)[1][0].why
    # The mangled name is served, the raw one can't be.
    records, (note,) = task_records(task(discovery=discovery("a b")), RULES)
    assert "ab.marathon.mesos. A 10.0.0.11" in lines(records)
    assert "'a b'" in note.why


def test_a_name_that_fills_its_label_is_served_without_its_services() -> None:
    long = "w" * 63  # "_" before it is one octet more than a label may have
    records, (note,) = task_records(task("web.1", name=long, ports=(31000,)), RULES)
    assert {r.type for r in records} == {"A"}
    assert f"{long}.marathon.mesos. A 10.0.0.11" in lines(records)
    assert "longer than 63" in note.why


def test_a_port_that_is_none_costs_the_task_nothing_else() -> None:
    info = discovery("shop", port(80, "http"), port(70_000, "odd"), port(-1))
    records, notes = task_records(task(discovery=info), RULES)
    assert "shop.marathon.mesos. A 10.0.0.11" in lines(records)
    assert {r.data.split()[2] for r in records if r.type == "SRV"} == {"80"}
    assert [note.why for note in notes] == [
        "its port 70000 is not from 0 to 65535",
        "its port -1 is not from 0 to 65535",
    ]


def test_agents_share_a_name() -> None:
    assert lines(agent_records(Agent("S1", "10.0.0.11", 5051), RULES)) == {
        "slave.mesos. A 10.0.0.11",
        "_slave._tcp.mesos. SRV 0 1 5051 slave.mesos.",
    }


def test_a_frameworks_scheduler() -> None:
    records, notes = framework_records(Framework("F", "Prod.Marathon", "10.0.0.1", 4000), RULES)
    assert notes == ()
    assert lines(records) == {
        "prod.marathon.mesos. A 10.0.0.1",
        "_framework._tcp.prod.marathon.mesos. SRV 0 1 4000 prod.marathon.mesos.",
    }
    assert len(framework_records(Framework("F", "x", "10.0.0.1"), RULES)[0]) == 1
    assert framework_records(Framework("F", "x"), RULES) == ((), ())


def test_a_framework_cannot_take_a_name_of_the_clusters_own() -> None:
    for name in ("leader", "master", "master7", "slave", "ns1"):
        records, (note,) = framework_records(Framework("F", name, "10.6.6.6"), RULES)
        assert records == ()
        assert "cluster's own" in note.why
    assert framework_records(Framework("F", "masterful", "10.0.0.1"), RULES)[1] == ()


def test_masters_are_numbered_and_an_unlisted_leader_comes_last() -> None:
    one, two = Master("10.0.0.1", 5050), Master("10.0.0.2", 5050)
    assert lines(master_records(Cluster(leader=two, masters=(one,)), RULES)) == {
        "leader.mesos. A 10.0.0.2",
        "master.mesos. A 10.0.0.1",
        "master.mesos. A 10.0.0.2",
        "master0.mesos. A 10.0.0.1",
        "master1.mesos. A 10.0.0.2",
        "_leader._tcp.mesos. SRV 0 1 5050 leader.mesos.",
        "_leader._udp.mesos. SRV 0 1 5050 leader.mesos.",
    }
    assert master_records(Cluster(), RULES) == ()


def test_addresses_of_a_name() -> None:
    assert lines(address_records("x.", ("11.0.0.1", "fd00::1"), 5)) == {
        "x. A 11.0.0.1",
        "x. AAAA fd00::1",
    }


@given(st.text(), st.text(), st.text(), st.text(), st.integers(), st.booleans())
def test_every_record_can_be_served(
    name: str, framework: str, discovered: str, port_name: str, number: int, rfc952: bool
) -> None:
    info = discovery(discovered, port(number, port_name, "tcp"))
    odd = task(name, name=name, framework=framework, discovery=info, ports=(31000,))
    for record in task_records(odd, NameRules(rfc952=rfc952))[0]:
        assert servable(record.name) == ""
        if record.type == "SRV":
            assert servable(record.data.split()[3]) == ""
        dns.rdata.from_text("IN", record.type, record.data)
