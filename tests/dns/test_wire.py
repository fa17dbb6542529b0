import dns.name
import dns.rdata
import pytest

from pointsman.dns import wire


def test_a_name_is_labels_behind_their_lengths() -> None:
    assert wire.name("web.mesos.") == b"\3web\5mesos\0"
    assert wire.name(".") == b"\0"


@pytest.mark.parametrize("text", ["a..b.", "a" * 64 + ".", "é."])
def test_a_name_that_has_no_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.name(text)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("A", "10.0.0.1"),
        ("AAAA", "fd01:c::1"),
        ("SRV", "0 1 31000 web-iffe9-s1.marathon.mesos."),
        ("NS", "ns1.mesos."),
        ("SOA", "ns1.mesos. root.ns1.mesos. 7 60 600 86400 60"),
        ("PTR", "web.marathon.mesos."),
    ],
)
def test_data_is_what_another_implementation_makes_of_it(type_: str, text: str) -> None:
    oracle = dns.rdata.from_text("IN", type_, text).to_wire()
    assert wire.data(type_, text) == oracle


def test_a_record_is_laid_out_by_rfc1035() -> None:
    assert wire.record(wire.pointer(12), "A", 60, b"\n\0\0\1") == bytes.fromhex(
        "c00c 0001 0001 0000003c 0004 0a000001"
    )


def test_a_text_may_have_spaces_in_quotes() -> None:
    assert wire.data("TXT", '"v=1 x" y') == b"\x05v=1 x\x01y"
