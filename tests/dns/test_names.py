import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns.names import agent_tail, canonical, fragment, label, servable, task_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", "web"),
        ("Liquor_Store.Prod", "liquor-store-prod"),
        ("group/app:v1 é", "groupappv1"),
        ("-web-", "web"),
        ("", ""),
        ("---", ""),
        ("a" * 70, "a" * 63),
        # Letters from behind the limit move up for the dashes dropped before it.
        ("hello" + "-" * 58 + "f", "hellof"),
        ("9to5", "9to5"),
    ],
)
def test_a_label_by_rfc1123(text: str, expected: str) -> None:
    assert label(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("9to5", "to5"), ("-0-web", "web"), ("a" * 30, "a" * 24), ("42", "")],
)
def test_a_label_by_rfc952(text: str, expected: str) -> None:
    assert label(text, rfc952=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("marathon", "marathon"), ("prod.Marathon", "prod.marathon"), ("a..b", "a.b"), ("é.x", "x")],
)
def test_a_framework_keeps_its_dots(text: str, expected: str) -> None:
    assert fragment(text) == expected


def test_the_hash_is_that_of_mesos_dns() -> None:
    assert task_hash("test") == "iffe9"


def test_the_tail_of_an_agents_id() -> None:
    assert agent_tail("89fd7722-b6ad-455f-b67f-a280957ce3fb-S12") == "s12"


def test_an_instance_has_a_label_of_its_own() -> None:
    assert canonical("web", "test", "x-S1") == "web-iffe9-s1"
    assert canonical("app.group", "test", "x-S1") == "app.group-iffe9-s1"


def test_an_instances_label_is_cut_to_what_can_be_served() -> None:
    name = canonical("w" * 63, "test", "x-S12")
    assert len(name) == 63
    assert name.endswith("w-iffe9-s12")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("web.marathon.mesos.", ""),
        ("_http._web._tcp.marathon.mesos.", ""),
        (".marathon.mesos.", "empty"),
        ("a..mesos.", "empty"),
        ("a" * 64 + ".mesos.", "longer"),
        ("a." * 127 + "mesos.", "longer"),
        ("a b.mesos.", "characters"),
        ("é.mesos.", "characters"),
    ],
)
def test_what_cannot_be_served_says_why(name: str, word: str) -> None:
    assert word in servable(name)
    assert bool(word) == bool(servable(name))


@given(st.text(), st.booleans())
def test_a_label_is_made_of_legal_characters(text: str, rfc952: bool) -> None:
    made = label(text, rfc952=rfc952)
    assert re.fullmatch(r"[a-z0-9-]*", made)
    assert len(made) <= (24 if rfc952 else 63)
    assert not made.startswith("-")
