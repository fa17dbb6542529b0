import pytest

from pointsman.dns.options import Options, options
from pointsman.dns.records import NameRules, task_records
from pointsman.testing import labels, task


def said(**given: str) -> tuple[Options, list[str]]:
    found, notes = options(task(labels=labels(**given)), "marathon")
    return found, [note.why for note in notes]


def test_without_labels_nothing_is_said() -> None:
    assert said() == (Options(), [])


def test_labels_say_a_ttl_a_weight_and_further_names() -> None:
    found, notes = said(DNS_TTL="5", DNS_WEIGHT="10", DNS_NAMES="api, shop.marathon")
    assert found == Options(5, 10, ("api", "shop.marathon"))
    assert notes == []


@pytest.mark.parametrize(
    ("label", "value", "why"),
    [
        ("DNS_TTL", "-1", "'-1' is not a number from 0 to 2147483647"),
        ("DNS_WEIGHT", "70000", "'70000' is not a number from 0 to 65535"),
        ("DNS_NAMES", "a b", "'a b' is not a name"),
        ("DNS_NAMES", "leader", "'leader' is not for it to take"),
        ("DNS_NAMES", "master7", "'master7' is not for it to take"),
        ("DNS_NAMES", "web.kafka", "'web.kafka' is not for it to take"),
    ],
)
def test_a_bad_label_is_noted_and_counts_as_not_there(label: str, value: str, why: str) -> None:
    assert said(**{label: value}) == (Options(), [f"label {label}: {why}"])


def test_records_are_as_the_labels_say() -> None:
    of = task(ports=(31000,), labels=labels(DNS_TTL="5", DNS_WEIGHT="10", DNS_NAMES="api"))
    records, _ = task_records(of, NameRules())
    assert {r.ttl for r in records} == {5}
    assert {r.data.split()[1] for r in records if r.type == "SRV"} == {"10"}
    (claimed,) = (r for r in records if r.claim)
    assert (claimed.name, claimed.data, claimed.claim) == (
        "api.mesos.",
        "10.0.0.11",
        "marathon/web",
    )
