"""What is read of a query, with dnspython as the client."""

from typing import Any

import dns.edns
import dns.message
import dns.name
import dns.rrset
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns import wire
from pointsman.dns.query import Query, name_end, read


def query(name: str = "Web.mesos.", type_: str = "A", **options: Any) -> dns.message.Message:
    return dns.message.make_query(name, type_, **options)


def understood(message: dns.message.Message) -> Query:
    found = read(message.to_wire(), "10.0.0.1")
    assert isinstance(found, Query)
    return found


def test_a_plain_query() -> None:
    found = understood(query())
    assert (found.name, found.type, found.class_) == ("web.mesos.", 1, 1)
    assert found.question == b"\3Web\5mesos\0\0\1\0\1"
    assert (found.edns, found.size, found.tsig, found.serial) == (False, 512, 0, None)


def test_edns_and_its_options() -> None:
    options = [
        dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678"),
        dns.edns.GenericOption(dns.edns.OptionType.NSID, b""),
        dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(50)),
    ]
    found = understood(query(use_edns=0, payload=4096, want_dnssec=True, options=options))
    assert (found.edns, found.version, found.size, found.dnssec) == (True, 0, 4096, 0x80)
    assert (found.cookie, found.nsid) == (b"12345678", True)
    assert understood(query(use_edns=0, payload=100)).size == 512
    assert understood(query(use_edns=1)).version == 1


@pytest.mark.parametrize("length", [0, 7, 9, 15, 41])
def test_a_cookie_of_a_wrong_length_is_a_format_error(length: int) -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(length))
    assert read(query(use_edns=0, options=[option]).to_wire()) == wire.FORMERR


def test_an_option_that_is_cut_is_a_format_error() -> None:
    option = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
    whole = query(use_edns=0, options=[option]).to_wire()
    for rdata in (b"\0", b"\0\3\0", b"\0\3\0\1"):
        data = whole[:-6] + len(rdata).to_bytes(2) + rdata
        assert read(data) == wire.FORMERR


def test_a_secondary_says_which_serial_it_has() -> None:
    message = query("mesos.", "IXFR")
    soa = "ns1.mesos. root.mesos. 4000000000 1 2 3 4"
    message.authority.append(dns.rrset.from_text("mesos.", 60, "IN", "SOA", soa))
    assert understood(message).serial == 4_000_000_000
    other = query("mesos.", "A")
    other.authority = message.authority
    assert read(other.to_wire()) == wire.FORMERR


def test_a_signature_is_the_last_record() -> None:
    message = query("mesos.", "SOA", use_edns=0)
    name = dns.name.from_text("key.")
    message.use_tsig({name: dns.tsig.Key(name, b"secret", "hmac-sha256.")})
    data = message.to_wire()
    found = read(data)
    assert isinstance(found, Query)
    assert data[found.tsig :].startswith(b"\3key\0\0\xfa\0\xff")
    behind = data[:11] + b"\3" + data[12:] + b"\0\0\x29" + bytes(8)
    assert read(behind) == wire.FORMERR


def test_names_end_where_they_end() -> None:
    assert name_end(b"\3web\0rest", 0) == 5
    assert name_end(b"\0", 0) == 1
    assert name_end(b"x\xc0\x0crest", 1) == 3
    assert name_end(b"x\xc0\x0crest", 1, pointers=False) == 0
    for cut in (b"", b"\3we", b"\xc0", b"\x40" + bytes(70), b"\3web"):
        assert name_end(cut, 0) == 0


@given(st.binary(max_size=120))
def test_no_bytes_end_in_an_error(noise: bytes) -> None:
    head = bytes.fromhex("0007 0100 0001 0000")
    for rest in (noise, b"\0\0\0\1" + noise, b"\0\1\0\1\5mesos\0\0\xfb\0\1" + noise):
        data = head + rest
        if len(data) >= 12:
            assert read(data) is not None
