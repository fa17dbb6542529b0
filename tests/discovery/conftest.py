"""Certificates and keys for servers and clients on loopback."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
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
        self.file = str(folder / f"{name}.pem")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._issue(self.file, self.name, self.key, constraints)

    def issue(self, name: str) -> tuple[str, str]:
        """Make a certificate for 127.0.0.1; return its file and that of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        file = str(self.folder / f"{name}.pem")
        self._issue(file, subject, key, x509.BasicConstraints(ca=False, path_length=None))
        return file, str(self.folder / f"{name}.key")

    def _issue(
        self,
        file: str,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        constraints: x509.BasicConstraints,
    ) -> None:
        today = dt.datetime.now(dt.UTC)
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder(self.name, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(constraints, critical=True)
            .add_extension(x509.SubjectAlternativeName([here]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        Path(file).write_bytes(certificate.public_bytes(Encoding.PEM))


class Certificates:
    """Files: an authority, another one, and what the first one issued."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder, "authority")
        self.ca = authority.file
        self.other_ca = Authority(folder, "other").file
        self.server = authority.issue("server")
        self.client = authority.issue("client")

    def serving(self, *, client: bool = False) -> ssl.SSLContext:
        """Return what a server uses; ``client`` has it demand a client's certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(*self.server)
        context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
