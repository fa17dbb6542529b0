"""Contexts from files that are good, bad and changing."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pointsman.healthcheck import tls
from pointsman.healthcheck.model import Failed, Outcome, Place, Tls

PLACE = Place("10.0.0.1", 443, 1.0)


def reason(wanted: Tls) -> str:
    with pytest.raises(Failed) as caught:
        tls.context(wanted)
    assert caught.value.result.outcome is Outcome.UNTRIED
    return caught.value.result.reason


@pytest.mark.parametrize(
    ("sni", "host", "expected"),
    [
        ("", "", "10.0.0.1"),
        ("", "web.example", "web.example"),
        ("", "web.example:8443", "web.example"),
        ("", "[fd00::1]", "fd00::1"),
        ("", "[fd00::1]:8443", "fd00::1"),
        ("", "fd00::1", "fd00::1"),
        ("sni.example", "web.example", "sni.example"),
    ],
)
def test_the_name_is_the_first_that_is_said(sni: str, host: str, expected: str) -> None:
    assert tls.server_name(Tls(sni=sni), host, PLACE) == expected


def test_the_context_is_kept_for_all_names(certificates: Any) -> None:
    first = tls.context(Tls(ca=certificates.ca, sni="a.example"))
    assert tls.context(Tls(ca=certificates.ca, sni="b.example")) is first
    assert tls.context(Tls(ca=certificates.other_ca)) is not first
    assert tls.context(Tls(ca=certificates.ca), ("h2",)) is not first


def test_a_file_that_changes_is_read_again(certificates: Any, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.ca, ca)
    first = tls.context(Tls(ca=str(ca)))
    assert tls.context(Tls(ca=str(ca))) is first
    shutil.copy(certificates.other_ca, tmp_path / "new.pem")
    (tmp_path / "new.pem").replace(ca)
    second = tls.context(Tls(ca=str(ca)))
    assert second.get_ca_certs() != first.get_ca_certs()
    ca.write_text("nothing")
    assert reason(Tls(ca=str(ca))).startswith(f"{ca}: ")


def test_a_missing_file_is_named() -> None:
    assert reason(Tls(ca="/missing/ca.pem")) == "/missing/ca.pem: No such file or directory"
    assert reason(Tls(certificate="/missing/a")) == "/missing/a: No such file or directory"
    assert reason(Tls(ca="/a\0b")).startswith("/a\0b: ")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert reason(Tls(ca=str(tmp_path))).startswith(f"{tmp_path}: ")


def test_a_file_that_holds_nothing_of_use_is_named(certificates: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    certificate, key = certificates.client
    assert reason(Tls(ca=str(bad))).startswith(f"{bad}: ")
    assert reason(Tls(certificate=str(bad), key=key)).startswith(f"{bad} with {key}: ")
    assert reason(Tls(certificate=certificate)).startswith(f"{certificate}: ")


def test_a_key_of_another_certificate_is_named(certificates: Any) -> None:
    certificate, key = certificates.client[0], certificates.server[1]
    expected = f"{certificate} with {key}: key values mismatch"
    assert reason(Tls(certificate=certificate, key=key)) == expected


def test_an_encrypted_key_asks_nobody(certificates: Any) -> None:
    certificate, key = certificates.client[0], certificates.locked
    assert reason(Tls(certificate=certificate, key=key)).startswith(f"{certificate} with {key}: ")


def test_a_certificate_and_its_key_may_be_one_file(certificates: Any, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(file).read_text() for file in certificates.client))
    assert tls.context(Tls(ca=certificates.ca, certificate=str(both)))


def test_without_verification_the_authorities_are_not_read(certificates: Any) -> None:
    assert not tls.context(Tls(verify=False)).get_ca_certs()
