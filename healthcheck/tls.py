"""How probes speak TLS: contexts made from files, and errors in words."""

import os
import ssl
from functools import lru_cache

from pointsman.healthcheck.model import Failed, Outcome, Place, Tls

_UNKNOWN_AUTHORITY = frozenset((2, 18, 19, 20, 21))
_OTHER_NAME = frozenset((62, 63, 64))
"""Codes of X509_verify_cert (x509_vfy.h)."""

_ALERTS = ("tlsv13 alert ", "tlsv1 alert ", "sslv3 alert ", "ssl/tls alert ")

_Stamp = tuple[int, int, int]


def server_name(tls: Tls, host: str, place: Place) -> str:
    """Return the name to ask for, and to find in the certificate; ``host`` may have a port."""
    if tls.sni:
        return tls.sni
    name, colon, _ = host.rpartition(":")
    if colon and (":" not in name or name.endswith("]")):
        host = name
    return host.removeprefix("[").removesuffix("]") or place.address


def context(tls: Tls, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return what a connection is made with; raises Failed, which names the file at fault.

    The context is kept until one of its files changes.
    """
    stamps = tuple(_stamp(file) for file in (tls.ca, tls.certificate, tls.key))
    return _context(tls.verify, tls.ca, tls.certificate, tls.key, alpn, stamps)


def _stamp(file: str) -> _Stamp | None:
    if not file:
        return None
    try:
        found = os.stat(file)  # noqa: PTH116 -- Path costs five times as much, thrice a probe
    except (OSError, ValueError) as error:
        raise _unusable(file, error) from error
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(maxsize=256)
def _context(
    verify: bool,
    ca: str,
    certificate: str,
    key: str,
    alpn: tuple[str, ...],
    _: tuple[_Stamp | None, ...],
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate:
        try:
            # Without a password an encrypted key would have OpenSSL ask the terminal for one.
            made.load_cert_chain(certificate, key or None, password="")
        except (OSError, ValueError) as error:
            files = f"{certificate} with {key}" if key else certificate
            raise _unusable(files, error) from error
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif ca:
        try:
            made.load_verify_locations(ca)
        except (OSError, ValueError) as error:
            raise _unusable(ca, error) from error
    else:
        made.load_default_certs()
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def _unusable(files: str, error: OSError | ValueError) -> Failed:
    if isinstance(error, ssl.SSLError):
        why = _words(error) or "no certificate or key in PEM"
    else:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
    return Failed(Outcome.UNTRIED, f"{files}: {why}")


def failed(error: ssl.SSLError, name: str) -> Failed:
    """Return what an error of TLS means for the target that was asked for as ``name``."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failed(Outcome.BAD, _refused(error, name))
    words = _words(error)
    for alert in _ALERTS:
        if words.startswith(alert):
            return Failed(Outcome.BAD, f"TLS alert: {words.removeprefix(alert)}")
    return Failed(Outcome.BAD, f"TLS: {words or 'broken'}")


def _refused(error: ssl.SSLCertVerificationError, name: str) -> str:
    if error.verify_code in _OTHER_NAME:
        return f"certificate is not for {name}"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"certificate is of an unknown authority: {error.verify_message}"
    if error.verify_message.startswith("certificate "):
        return error.verify_message
    return f"certificate: {error.verify_message}"


def _words(error: ssl.SSLError) -> str:
    return (error.reason or "").replace("_", " ").lower()
