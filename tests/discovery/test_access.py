"""Whom masters are told that this is, by secrets that change."""

import asyncio
import base64
import dataclasses
import json
import logging
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.access import (
    Access,
    Auth,
    Identity,
    Secret,
    Tls,
    problems,
    read_secrets,
)
from pointsman.discovery.errors import Transient


def asked(access: Access) -> dict[str, str]:
    """Return the headers of an access that needs no login."""

    async def ask() -> dict[str, str]:
        async with aiohttp.ClientSession() as session:
            return await access.headers(session)

    return asyncio.run(ask())


# The configuration.


@pytest.mark.parametrize(
    ("tls", "auth", "expected"),
    [
        (Tls(), Auth(), []),
        (Tls(enabled=True, ca="a", certificate="b", key="c"), Auth(), []),
        (Tls(enabled=True, verify=False), Auth(principal="p", secret_file="f"), []),
        (Tls(), Auth(principal="p", secret_env="E"), []),
        (Tls(), Auth(token_file="f"), []),
        (Tls(), Auth(token_env="E"), []),
        (Tls(), Auth(service_account_file="f"), []),
        (Tls(), Auth(service_account_env="E"), []),
        (
            Tls(enabled=True, certificate="b"),
            Auth(),
            [("tls.key", "is missing beside tls.certificate")],
        ),
        (
            Tls(enabled=True, key="b"),
            Auth(),
            [("tls.certificate", "is missing beside tls.key")],
        ),
        (
            Tls(enabled=True, ca="a", verify=False),
            Auth(),
            [("tls.ca", "is of no use while tls.verify is false")],
        ),
        (
            Tls(ca="a", certificate="b", key="c"),
            Auth(),
            [
                ("tls.ca", "is set, but tls.enabled is false"),
                ("tls.certificate", "is set, but tls.enabled is false"),
                ("tls.key", "is set, but tls.enabled is false"),
            ],
        ),
        (Tls(verify=False), Auth(), [("tls.verify", "is set, but tls.enabled is false")]),
        (
            Tls(),
            Auth(principal="p"),
            [("auth.principal", "has no secret: set secret_file or secret_env")],
        ),
        (Tls(), Auth(secret_env="E"), [("auth.principal", "is missing beside its secret")]),
        (
            Tls(),
            Auth(principal="a:b", secret_env="E"),
            [("auth.principal", "has a ':', which HTTP basic authentication can't send")],
        ),
        (
            Tls(),
            Auth(token_file="f", token_env="E"),
            [("auth.token_env", "is set beside auth.token_file; only one of them can be right")],
        ),
        (
            Tls(),
            Auth(principal="p", secret_file="f", service_account_env="E"),
            [("auth", "has more than one of a principal, a token and a service account")],
        ),
        (
            Tls(),
            Auth(token_env="T", service_account_env="E"),
            [("auth", "has more than one of a principal, a token and a service account")],
        ),
    ],
)
def test_what_can_not_be_used_together(
    tls: Tls, auth: Auth, expected: list[tuple[str, str]]
) -> None:
    assert list(problems(tls, auth)) == expected


def test_a_misspelt_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cafile": "x"}, Tls)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"secret": "x"}, Auth)


# Secrets.


def test_a_secret_is_told_to_who_asks_for_it() -> None:
    assert Secret("xyzzy").reveal() == "xyzzy"


def test_a_secret_does_not_show(caplog: pytest.LogCaptureFixture) -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    secret = Secret("xyzzy")
    holder = Holder(secret)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").info("%s %r", secret, [secret])
    shown = [
        str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>20}", f"{secret!s}",
        repr({secret}), repr(holder), repr(dataclasses.asdict(holder)), repr(Identity(secret)),
        json.dumps(secret, default=str), caplog.text,
        repr(msgspec.structs.asdict(Identity(secret))),
    ]  # fmt: skip
    assert all("(secret)" in text and "xyzzy" not in text for text in shown)


@pytest.mark.parametrize(
    "write",
    [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, json.dumps, pickle.dumps],
    ids=["msgspec json", "msgspec msgpack", "msgspec builtins", "json", "pickle"],
)
def test_a_secret_is_not_written(write: Callable[[object], object]) -> None:
    for value in (Secret("xyzzy"), Identity(Secret("xyzzy"))):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as error:
            write(value)
        assert "xyzzy" not in str(error.value)
    assert not hasattr(Secret("xyzzy"), "__dict__")


def test_nobody_sends_no_header() -> None:
    access = Access(Tls(), Auth(), environ={})
    access.check()
    assert asked(access) == {}
    assert not access.refused()
    assert (access.describe(), access.scheme, access.ssl) == ("http", "http", True)


@pytest.mark.parametrize(
    "content", ["s3:cret", "s3:cret\n", "s3:cret\r\n"], ids=["bare", "line", "crlf"]
)
def test_a_principal(content: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    for auth in (
        Auth(principal="ops", secret_file=str(file)),
        Auth(principal="ops", secret_env="SECRET"),
    ):
        access = Access(Tls(), auth, environ={"SECRET": content})
        access.check()
        assert asked(access) == {"Authorization": "Basic b3BzOnMzOmNyZXQ="}
        assert access.describe() == "http, as principal ops"


def test_a_secret_is_sent_as_utf_8_with_its_spaces() -> None:
    access = Access(Tls(), Auth(principal="öps", secret_env="S"), environ={"S": " sécret "})
    expected = base64.b64encode("öps: sécret ".encode()).decode()
    assert asked(access) == {"Authorization": f"Basic {expected}"}


def test_a_bearer_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc.def-1=\n")
    for auth in (Auth(token_file=str(tmp_path / "token")), Auth(token_env="TOKEN")):
        access = Access(Tls(), auth, environ={"TOKEN": "abc.def-1="})
        assert asked(access) == {"Authorization": "Bearer abc.def-1="}
        assert access.describe() == "http, with a bearer token"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"two words", "is not one word of ASCII, as a token is"),
        (b"two\nlines", "is not one word of ASCII, as a token is"),
        ("t\u00f6ken".encode(), "is not one word of ASCII, as a token is"),
    ],
)
def test_a_token_file_that_can_not_be_used(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    access = Access(Tls(), Auth(token_file=str(file)))
    for use in (access.check, lambda: asked(access)):
        with pytest.raises(Transient) as error:
            use()
        assert str(error.value) == f"discovery.auth.token_file: {file}: {why}"


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "is not set"),
        ({"S": ""}, "is empty"),
        ({"S": "\udcff"}, "is not UTF-8 text"),  # as os.environ gives the byte 0xff
    ],
)
def test_a_variable_that_can_not_be_used(environ: Mapping[str, str], why: str) -> None:
    with pytest.raises(Transient) as error:
        Access(Tls(), Auth(principal="ops", secret_env="S"), environ=environ).check()
    assert str(error.value) == f"discovery.auth.secret_env: S: {why}"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"secret_file: .*Is a directory"):
        read_secrets(Auth(principal="ops", secret_file=str(tmp_path)), {})


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_TEST_TOKEN", "abc")
    assert asked(Access(Tls(), Auth(token_env="POINTSMAN_TEST_TOKEN"))) == {
        "Authorization": "Bearer abc"
    }


def test_a_file_is_read_again_when_it_is_refused_but_not_twice_in_a_row(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    access = Access(Tls(), Auth(token_file=str(file)))
    assert asked(access) == {"Authorization": "Bearer one"}
    file.write_text("two\n")
    assert asked(access) == {"Authorization": "Bearer one"}
    assert access.refused()
    assert asked(access) == {"Authorization": "Bearer two"}
    file.write_text("three\n")
    assert not access.refused()
    assert asked(access) == {"Authorization": "Bearer three"}
    access.accepted()
    assert access.refused()


def test_a_variable_is_not_read_again_in_vain() -> None:
    access = Access(Tls(), Auth(token_env="T"), environ={"T": "one"})
    asked(access)
    assert not access.refused()
    assert asked(access) == {"Authorization": "Bearer one"}


# What is said does not depend on a secret.

ANY = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too


def outcome(auth: Auth, secret: str) -> tuple[str, ...]:
    """Return all that an access says of itself where this stands in the variable S."""
    access = Access(Tls(), auth, environ={"S": secret})
    try:
        access.check()
        failure = ""
    except Transient as error:
        failure = str(error)
    return repr(access), str(access), access.describe(), failure


@given(ANY)
def test_nothing_tells_of_a_principals_secret(secret: str) -> None:
    who = "http, as principal ops"
    *said, failure = outcome(Auth(principal="ops", secret_env="S"), secret)
    assert said == [f"<Access {who}>", f"<Access {who}>", who]
    assert failure.removeprefix("discovery.auth.secret_env: S: ") in (
        "", "is empty", "is not UTF-8 text",
    )  # fmt: skip


@given(ANY)
def test_nothing_tells_of_a_token(secret: str) -> None:
    who = "http, with a bearer token"
    *said, failure = outcome(Auth(token_env="S"), secret)
    assert said == [f"<Access {who}>", f"<Access {who}>", who]
    assert failure.removeprefix("discovery.auth.token_env: S: ") in (
        "", "is empty", "is not UTF-8 text", "is not one word of ASCII, as a token is",
    )  # fmt: skip
