import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.mangle import fragment, label


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mygroup/myapp", "mygroupmyapp"),
        ("My_App.v1", "my-app-v1"),
        ("--web--", "web"),
        ("é", ""),
        ("a" * 70, "a" * 63),
        ("a" * 62 + "-b", "a" * 62),
    ],
)
def test_label_follows_dcos(text: str, expected: str) -> None:
    assert label(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/api.hello-world", "api.hello-world"), ("marathon", "marathon"), ("a..b", "a.b"), ("/", "")],
)
def test_fragment_keeps_its_dots(text: str, expected: str) -> None:
    assert fragment(text) == expected


@given(st.text())
def test_a_fragment_is_made_of_legal_labels(text: str) -> None:
    for part in filter(None, fragment(text).split(".")):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", part)
    assert fragment(fragment(text)) == fragment(text)
