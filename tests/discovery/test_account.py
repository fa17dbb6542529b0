"""What is told of a token and of an account; the login itself is in test_account_login.py."""

import subprocess
import sys

import jwt
import pytest

from pointsman.discovery.account import LIFETIME, lifetime, read
from pointsman.discovery.errors import Transient


def token(**claims: object) -> str:
    return jwt.encode(claims, "x" * 32, algorithm="HS256")


def test_a_token_says_how_long_it_is_good() -> None:
    assert lifetime(token(exp=1500), 1000.0) == 500.0


@pytest.mark.parametrize("opaque", ["opaque", token(), token(exp="never"), token(exp=900)])
def test_one_that_does_not_is_taken_for_an_hour(opaque: str) -> None:
    assert lifetime(opaque, 1000.0) == LIFETIME


@pytest.mark.parametrize("json", ["", "[]", "{}", '{"uid": "x", "private_key": "s3cret"}'])
def test_what_is_no_account_is_named_by_its_place_alone(json: str) -> None:
    with pytest.raises(Transient, match=r"^here: ") as error:
        read("here", json)
    assert "s3cret" not in str(error.value)


def test_nobody_without_an_account_pays_for_it() -> None:
    code = "import sys, pointsman.daemon; sys.exit('jwt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
