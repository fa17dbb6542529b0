import pytest

from pointsman.discovery.model import Cluster, Master, PortMapping, Task
from pointsman.dns.dcos import DcosRules, master_records, task_records
from pointsman.healthcheck.verdict import Verdict
from pointsman.testing import LEADER, discovery, port, task

RULES = DcosRules()


def addresses(of: Task, rules: DcosRules = RULES) -> dict[str, set[str]]:
    """Return the addresses by family."""
    found: dict[str, set[str]] = {}
    for record in task_records(of, rules)[0]:
        label, framework, family, rest = record.name.split(".", 3)
        assert (label, framework, rest) == ("web", "marathon", "dcos.thisdcos.directory.")
        assert record.ttl == 5
        found.setdefault(family, set()).add(record.data)
    return found


HOST, CONTAINER = {"10.0.0.11"}, {"9.0.0.5", "fd00::5"}
INSIDE = ("9.0.0.5", "fd00::5")


@pytest.mark.parametrize(
    ("of", "autoip", "containerip"),
    [
        (task(), HOST, HOST),
        (task(addresses=INSIDE), CONTAINER, CONTAINER),
        (task(addresses=INSIDE, mappings=(PortMapping(31000, 80),)), HOST, CONTAINER),
        (
            task(
                addresses=INSIDE,
                discovery=discovery("", port(31000, **{"network-scope": "host"})),
            ),
            HOST,
            CONTAINER,
        ),
    ],
)
def test_each_family_has_its_address(of: Task, autoip: set[str], containerip: set[str]) -> None:
    assert addresses(of) == {"agentip": HOST, "autoip": autoip, "containerip": containerip}


def test_a_task_without_an_address_of_its_own_is_reached_at_its_agent() -> None:
    assert addresses(task(addresses=())) == {"agentip": HOST, "autoip": HOST}


def test_names_are_mangled_as_dcos_does() -> None:
    records, _ = task_records(task(name="/my_group/app.v1", framework="Kafka.x"), RULES)
    assert records[0].name == "my-groupapp-v1.kafka-x.agentip.dcos.thisdcos.directory."


def test_families_and_domain_may_be_others() -> None:
    rules = DcosRules("dc1.example", ("autoip",))
    (record,) = task_records(task(), rules)[0]
    assert record.name == "web.marathon.autoip.dcos.dc1.example."


def test_only_what_runs_and_has_a_name_is_there() -> None:
    assert task_records(task(state="TASK_STAGING"), RULES) == ((), ())
    records, (note,) = task_records(task(name="é"), RULES)
    assert (records, note.why) == ((), "nothing of its DC/OS name is left")


def test_an_unhealthy_task_is_not_preferred() -> None:
    assert not any(r.preferred for r in task_records(task(), RULES, Verdict.UNHEALTHY)[0])
    both = DcosRules(unhealthy="include")
    assert all(r.preferred for r in task_records(task(), both, Verdict.UNHEALTHY)[0])


def test_masters_have_names_too() -> None:
    found = master_records(Cluster(leader=LEADER, masters=(Master("10.0.0.2", 5050),)), RULES)
    assert {(r.name.split(".")[0], r.data) for r in found} == {
        ("leader", "10.0.0.1"),
        ("master", "10.0.0.1"),
        ("master", "10.0.0.2"),
    }
    assert master_records(Cluster(), RULES) == ()
