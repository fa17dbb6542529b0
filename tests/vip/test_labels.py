import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.labels import Label, option, parse, parse_with_protocol


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/web:80", Label("web", "", 80)),
        ("web:80", Label("web", "", 80)),
        ("/api.hello-world:443", Label("api.hello-world", "", 443)),
        ("/group/My_App:80", Label("groupmy-app", "", 80)),
        ("10.1.1.1:5432", Label("", "10.1.1.1", 5432)),
        ("fd01:c::1:80", Label("", "fd01:c::1", 80)),
        ("[fd01:c::1]:80", Label("", "fd01:c::1", 80)),
        (" /web:80 ", Label("web", "", 80)),
    ],
)
def test_a_label_names_a_vip(value: str, expected: Label) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize(
    "value", ["", "web", ":80", "/web:", "/web:0", "/web:65536", "/web:http", "/:80", "/é:80"]
)
def test_a_label_that_makes_no_sense_says_why(value: str) -> None:
    with pytest.raises(ValueError, match=r"not|nothing") as refused:
        parse(value)
    assert repr(value) in str(refused.value)


def test_the_oldest_form_names_its_protocol() -> None:
    assert parse_with_protocol("UDP://dns:53") == ("udp", Label("dns", "", 53))
    with pytest.raises(ValueError, match="tcp://"):
        parse_with_protocol("/web:80")


@given(st.text())
def test_no_text_ends_in_another_error(value: str) -> None:
    with contextlib.suppress(ValueError):
        parse(value)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("VIP_0_SCHEDULER", "scheduler"),
        ("VIP_0_slow_start", "slow_start"),
        ("VIP_0", None),
        ("VIP_1_SCHEDULER", None),
        ("VIP_0_COLOUR", None),
    ],
)
def test_an_option_is_named_behind_the_key_of_its_vip(key: str, expected: str | None) -> None:
    assert option(key, {"VIP_0"}) == expected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "0.0.0.5", "224.0.0.1", "169.254.1.1", "255.255.255.255",
        "::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "fd01::1%eth0",
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_none_for_a_vip(address: str) -> None:
    with pytest.raises(ValueError, match="can't be the address of a VIP"):
        parse(f"{address}:80")
