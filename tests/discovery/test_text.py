import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery import text


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FD00:0::5", "fd00::5"),
        ("", ""),
        ("10.0.0", ""),
        ("web", ""),
        ("010.0.0.1", ""),
    ],
)
def test_an_address_has_one_text_form(given_: str, expected: str) -> None:
    assert text.ip(given_) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("10.0.0.1:53", ("10.0.0.1", 53)),
        ("[::1]:53", ("::1", 53)),
        ("m1.example:1", ("m1.example", 1)),
    ],
)
def test_an_endpoint_is_host_and_port(given_: str, expected: tuple[str, int]) -> None:
    assert text.endpoint(given_) == expected


@pytest.mark.parametrize(
    "given_", ["", "10.0.0.1", ":53", "a:0", "a:65536", "a:x", "::1:53", "a:٣"]
)
def test_what_is_no_endpoint_is_refused_with_its_text(given_: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        text.endpoint(given_)
    assert repr(given_) in str(refused.value)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("slave(1)@10.0.0.11:5051", ("10.0.0.11", 5051)),
        ("master@[fd00::1]:5050", ("fd00::1", 5050)),
        ("scheduler-7f@host.example:40000", ("host.example", 40000)),
        ("", ("", 0)),
        (None, ("", 0)),
        ("slave(1)@", ("", 0)),
    ],
)
def test_a_pid_tells_host_and_port(given_: str | None, expected: tuple[str, int]) -> None:
    assert text.pid(given_) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("[31000-31001, 31005-31005]", (31000, 31001, 31005)),
        ("[31000]", (31000,)),
        ("[]", ()),
        ("", ()),
    ],
)
def test_ranges_are_written_out(given_: str, expected: tuple[int, ...]) -> None:
    assert text.ports(given_) == expected


@pytest.mark.parametrize("given_", ["[a-b]", "[5-4]", "[1-99999999]", "[-1-2]"])
def test_bad_ranges_are_refused(given_: str) -> None:
    with pytest.raises(ValueError, match=r"port|int"):
        text.ports(given_)


@given(st.text())
def test_no_text_ends_in_another_error(given_: str) -> None:
    text.ip(given_)
    text.pid(given_)
    for read in (text.endpoint, text.ports):
        with contextlib.suppress(ValueError):
            read(given_)
