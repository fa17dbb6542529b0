"""Certificates and keys for servers and probes on loopback."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.ca = str(folder / f"{name}.pem")
        self._issue(self.ca, self.name, self.key, x509.BasicConstraints(True, 0), (), 1)

    def issue(self, file: str, *names: str, days: int = 1) -> tuple[str, str]:
        """Make a certificate for names and addresses; return its file and that of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{file}.key").write_bytes(private)
        locked = BestAvailableEncryption(b"secret")
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
        (self.folder / f"{file}.locked").write_bytes(private)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file)])
        path = str(self.folder / f"{file}.pem")
        self._issue(path, subject, key, x509.BasicConstraints(False, None), names, days)
        return path, str(self.folder / f"{file}.key")

    def _issue(
        self,
        path: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
        names: tuple[str, ...],
        days: int,
    ) -> None:
        today = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder(self.name, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=9))
            .not_valid_after(today + dt.timedelta(days=days))
            .add_extension(constraints, critical=True)
        )
        if names:
            said = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(said, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        Path(path).write_bytes(certificate.public_bytes(Encoding.PEM))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Certificates:
    """Files: an authority, another one, and what the first one issued."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "authority")
        self.ca = authority.ca
        self.other_ca = Authority(folder, "other").ca
        self.server = authority.issue("server", "127.0.0.1", "::1", "web.example")
        self.expired = authority.issue("expired", "127.0.0.1", days=-1)
        self.client = authority.issue("client")
        self.locked = str(folder / "client.locked")

    def serving(self, files: tuple[str, str] = ("", ""), *, client: bool = False) -> ssl.SSLContext:
        """Return what a server uses; ``client`` has it demand a client's certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(*(files if any(files) else self.server))
        context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
