"""The token that changes over HTTP need (RFC 6750)."""

import hmac
import re
from pathlib import Path

from pointsman.discovery.errors import Fatal

LEAST = 16
"""Characters of a token, so that it can't be guessed."""


def read(file: str) -> str:
    """Return the token in a file, "" for no file.

    Raises Fatal, which names the key, when there is none that could be sent or that is of use.
    """
    if not file:
        return ""
    try:
        token = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(f"http.token_file: {file}: {error}") from error
    if not re.fullmatch(rf"[A-Za-z0-9._~+/-]{{{LEAST},}}=*", token):
        why = f"is not {LEAST} or more letters, digits and any of ._~+/-"
        raise Fatal(f"http.token_file: {file}: {why}")
    return token


def shown(authorization: str, token: str) -> bool:
    """Tell whether the header ``Authorization`` has this token, in a time that tells nothing."""
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    return same and scheme.lower() == "bearer"
