import pytest

from pointsman.discovery.model import Agent
from pointsman.dns.records import NameRules, Record, task_records
from pointsman.dns.reverse import Reverse, apex
from pointsman.testing import labels, task

REVERSE = Reverse(("9.0.0.0/8", "fd00::/16"))


@pytest.mark.parametrize(
    ("network", "zone"),
    [
        ("10.0.0.0/8", "10.in-addr.arpa."),
        ("192.168.0.0/16", "168.192.in-addr.arpa."),
        ("192.0.2.0/24", "2.0.192.in-addr.arpa."),
        ("fd00::/16", "0.0.d.f.ip6.arpa."),
        ("fd01:b::/32", "b.0.0.0.1.0.d.f.ip6.arpa."),
    ],
)
def test_a_network_has_its_zone(network: str, zone: str) -> None:
    assert apex(network) == zone


@pytest.mark.parametrize(
    "network", ["10.0.0.0/9", "0.0.0.0/0", "10.0.0.1/32", "10.0.0.1/8", "fd00::/7", "nonsense"]
)
def test_a_network_without_a_border_there_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|not appear|host bits"):
        apex(network)


def test_addresses_in_the_networks_have_names() -> None:
    records = [
        Record("web.mesos.", "A", "9.0.0.5", 60),
        Record("web.mesos.", "AAAA", "fd00::5", 60),
        Record("web.mesos.", "A", "10.0.0.5", 60),
        Record("web.mesos.", "SRV", "0 1 80 web.mesos.", 60),
    ]
    found = list(REVERSE.of(records))
    assert {r.name for r in found} == {
        "5.0.0.9.in-addr.arpa.",
        "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
    }
    assert {(r.type, r.data) for r in found} == {("PTR", "web.mesos.")}


def test_a_tasks_own_addresses_lead_to_its_first_name() -> None:
    of = task(addresses=("9.0.0.5",), labels=labels(DNS_NAMES="api"))
    records, _ = task_records(of, NameRules())
    (found,) = REVERSE.of_task(records, of.agent)
    assert (found.name, found.data) == ("5.0.0.9.in-addr.arpa.", "web.marathon.mesos.")


def test_the_address_of_an_agent_is_that_of_many() -> None:
    of = task(agent=Agent("S1", "9.0.0.11", 5051))
    records, _ = task_records(of, NameRules())
    assert list(REVERSE.of_task(records, of.agent)) == []
