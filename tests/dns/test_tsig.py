"""Signatures, with dnspython as the other side."""

import base64
import re
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns import tsig
from pointsman.dns.query import read
from pointsman.dns.tsig import BADKEY, BADSIG, BADTIME, Key, Keys, Signature

NOW = 1_700_000_000.0
SECRET = b"thirty-two octets of some secret"
FILE = """
# made by tsig-keygen
key "transfers" {
    algorithm hmac-sha256; // the usual one
    secret "%s";
};
key other. { algorithm "HMAC-SHA512"; secret %s; };  /* and
another */
""" % ((base64.b64encode(SECRET).decode(),) * 2)


@pytest.fixture(autouse=True)
def _at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)  # dnspython has no other clock


def keyring(algorithm: str = "hmac-sha256", secret: bytes = SECRET) -> Any:
    name = dns.name.from_text("transfers.")
    return {name: dns.tsig.Key(name, secret, dns.name.from_text(algorithm))}


def signed(**how: Any) -> dns.message.QueryMessage:
    query = dns.message.make_query("mesos.", "SOA", id=7)
    query.use_tsig(keyring(**how))
    return query


def checked(data: bytes, now: float = NOW) -> Signature:
    query = read(data)
    assert not isinstance(query, int)
    assert query.tsig
    found = Keys(tsig.parse(FILE), lambda: now).check(data, query.tsig)
    assert found is not None
    return found


def test_keys_are_read_as_bind_writes_them() -> None:
    first, second = tsig.parse(FILE)
    assert first == Key("transfers.", "hmac-sha256.", SECRET)
    assert second == Key("other.", "hmac-sha512.", SECRET)
    assert "octets" not in repr(first)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no key"),
        ('\nkey "a" {};', 'line 2: is not key "NAME" { algorithm A; secret "S"; };'),
        ('key "a" { algorithm md5; secret "eA=="; };', "line 1: 'md5' is none of hmac-sha1, "),
        ('key "a" { algorithm hmac-sha256; secret "x!y"; };', "line 1: the name or the secret of"),
        ('key "a" { algorithm hmac-sha256; secret "eA=="; };' * 2, "has two keys of one name"),
    ],
)
def test_a_file_that_can_not_be_used(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)) as error:
        tsig.parse(text)
    assert "eA==" not in str(error.value)
    assert "x!y" not in str(error.value)


@pytest.mark.parametrize("algorithm", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_a_query_that_is_signed_and_its_answers(algorithm: str) -> None:
    query = signed(algorithm=f"hmac-{algorithm}")
    key = Key("transfers.", f"hmac-{algorithm}.", SECRET)
    data = query.to_wire()
    found = read(data)
    assert not isinstance(found, int)
    signature = Keys((key,), lambda: NOW).check(data, found.tsig)
    assert signature is not None
    assert signature.error == 0
    parts = [dns.message.make_response(query) for _ in range(3)]
    for part in parts:
        part.tsig = None
    context = None
    answer = b""
    for number, part in enumerate(parts):
        answer = signature.signed(part.to_wire())
        back = dns.message.from_wire(
            answer,
            keyring=keyring(f"hmac-{algorithm}"),
            request_mac=query.mac if number == 0 else b"",
            multi=True,
            tsig_ctx=context,
        )
        context = back.tsig_ctx
        assert back.had_tsig
    assert signature.key is not None
    assert len(answer) - len(parts[-1].to_wire()) <= signature.key.size


def test_our_own_requests_are_understood() -> None:
    key = tsig.parse(FILE)[0]
    message = dns.message.make_query("mesos.", "SOA").to_wire()
    ours = tsig.request(key, lambda: NOW)
    data = ours.signed(message)
    assert dns.message.from_wire(data, keyring=keyring()).had_tsig
    assert checked(data).error == 0


@pytest.mark.parametrize(
    ("how", "now", "error", "answer"),
    [
        ({"secret": b"another"}, NOW, BADSIG, dns.tsig.PeerBadSignature),
        ({"algorithm": "hmac-sha1"}, NOW, BADKEY, dns.tsig.PeerBadKey),
        ({}, NOW + 301, BADTIME, dns.tsig.PeerBadTime),
        ({}, NOW - 301, BADTIME, dns.tsig.PeerBadTime),
    ],
)
def test_a_wrong_signature_is_told_what_is_wrong(
    how: Any, now: float, error: int, answer: type[Exception]
) -> None:
    query = signed(**how)
    found = checked(query.to_wire(), now)
    assert found.error == error
    response = dns.message.make_response(query)
    response.tsig = None
    with pytest.raises(answer):
        dns.message.from_wire(
            found.signed(response.to_wire()), keyring=keyring(**how), request_mac=query.mac
        )


def test_an_unknown_key_is_told_so() -> None:
    data = signed().to_wire()
    query = read(data)
    assert not isinstance(query, int)
    found = Keys((), lambda: NOW).check(data, query.tsig)
    assert found is not None
    assert found.error == BADKEY
    assert found.key is None


@given(st.data())
def test_no_octet_can_be_changed(data: st.DataObject) -> None:
    message = bytearray(signed().to_wire())
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= 1 << data.draw(st.integers(0, 7))
    query = read(bytes(message)) if not message[2] & 0x80 else 1
    if isinstance(query, int) or not query.tsig:
        return
    found = Keys(tsig.parse(FILE), lambda: NOW).check(bytes(message), query.tsig)
    # The id is not signed: it is that of the message, which the signature carries as well; nor
    # does it matter in what case a name is.
    case = message[at] ^ 0x20 == signed().to_wire()[at]
    assert found is None or found.error or at < 2 or case


@given(st.binary(max_size=80))
def test_no_bytes_end_in_an_error(noise: bytes) -> None:
    whole = signed().to_wire()
    Keys(tsig.parse(FILE), lambda: NOW).check(whole[:23] + noise, 23)
