"""No secret is in anything that Pointsman says, wherever the configuration has one."""

import base64
import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pointlab.site.process import wait_for
from pointsman.config import ConfigError, load, parse
from pointsman.source import url

ROOT = Path(__file__).parents[1]
STATE = ROOT / "tests/data/mesos/running-state.json"
PASSWORD = "hunter2-of-zookeeper"
SECRET = "hunter2-of-mesos"
TOKEN = "hunter2-bearer-token"
COOKIE = "c0ffee00" * 4
TSIG = base64.b64encode(b"hunter2-of-transfers-and-more").decode()
HEADER = "hunter2-of-a-check"
OPERATOR = "hunter2-of-whoever-may-reload"
HOST = "127.78.0.1"
PATHS = (
    "/readyz", "/metrics", "/v1/config", "/v1/status", "/v1/health", "/v1/notes", "/v1/version",
    "/v1/enumerate", "/v1/axfr", "/v1/records", "/v1/vips", "/v1/events", "/v1/summary",
    "/v1/openapi.json", "/",
)  # fmt: skip


class Master(BaseHTTPRequestHandler):
    """Believes nobody, and notes down what it was told."""

    told: list[str]

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self.told += [*map(str, self.headers.values()), self.rfile.read(size).decode()]
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="mesos"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - http.server's name

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
        pass


@pytest.fixture
def master() -> Iterator[tuple[str, list[str]]]:
    told: list[str] = []
    handler = type("Handler", (Master,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", told
    server.shutdown()
    server.server_close()


def account() -> str:
    """Return a service account, with the private key that it has to have."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"uid": "pointsman", "private_key": pem, "scheme": "RS256"})


def fetched(path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{HOST}:8123{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.mark.parametrize("kind", ["principal", "token", "account"])
@pytest.mark.parametrize("format_", ["plain", "json"])
def test_a_node_tells_no_secret(
    kind: str, format_: str, master: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, told = master
    key = json.loads(account())
    login = f"http://{address}/acs/api/v1/auth/login"
    for name, content in (
        ("secret", SECRET),
        ("token", TOKEN),
        ("account", json.dumps({**key, "login_endpoint": login})),
        ("cookie", COOKIE),
        ("operator", OPERATOR),
        ("keys", f'key "transfers" {{ algorithm hmac-sha256; secret "{TSIG}"; }};'),
    ):
        (tmp_path / name).write_text(content)
    auth = {
        "principal": f'principal = "pointsman", secret_file = "{tmp_path}/secret"',
        "token": f'token_file = "{tmp_path}/token"',
        "account": f'service_account_file = "{tmp_path}/account"',
    }[kind]
    file = tmp_path / "pointsman.toml"
    file.write_text(f"""
        state_dir = "{tmp_path}/state"
        discovery = {{ masters = ["{address}"], retry_max = 0.1, auth = {{ {auth} }} }}
        vip = {{ enabled = false }}
        http = {{ listen = "{HOST}:8123", token_file = "{tmp_path}/operator" }}
        log = {{ level = "debug", format = "{format_}" }}
        [dns]
        listen = ["{HOST}:5353"]
        cookie_secret_file = "{tmp_path}/cookie"
        transfer = {{ key_file = "{tmp_path}/keys" }}
        [[health.checks]]
        check = "http / 'header=Authorization: Bearer {HEADER}'"
    """)
    secrets = [SECRET, TOKEN, COOKIE, TSIG, HEADER, OPERATOR, key["private_key"].splitlines()[3]]
    secrets.append(base64.b64encode(f"pointsman:{SECRET}".encode()).decode())
    pointsman = [sys.executable, "-m", "pointsman"]
    log = tmp_path / "log"
    command = [*pointsman, "run", "--config", str(file)]
    with log.open("wb") as opened, subprocess.Popen(command, stderr=opened) as process:
        try:
            wait_for(lambda: "401" in log.read_text(), "a refusal", 20)
            said = [fetched(path) for path in PATHS]
            (tmp_path / "cookie").write_text(COOKIE + "0")
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: "reload refused" in log.read_text(), "the refusal", 20)
        finally:
            process.terminate()
    known = {"principal": secrets[-1], "token": TOKEN, "account": "pointsman"}[kind]
    assert any(known in word for word in told), "the master was told"
    for words in (["check"], ["status"], ["show", "config"], ["show", "events"]):
        done = subprocess.run(
            [*pointsman, *words, "--config", file], capture_output=True, text=True, check=False
        )
        said += [done.stdout, done.stderr]
    said.append(log.read_text())
    assert not [secret for secret in secrets if any(secret in one for one in said)]


def test_a_configuration_shows_no_password(tmp_path: Path) -> None:
    toml = f'discovery = {{ zookeeper = "zk://user:{PASSWORD}@127.0.0.1:1/mesos" }}'
    config = parse(toml)
    assert url(config.discovery).credential == f"user:{PASSWORD}"
    assert PASSWORD not in f"{config!r} {url(config.discovery)!r}"
    file = tmp_path / "pointsman.toml"
    for broken in (
        toml.replace("/mesos", ""),
        toml.replace("127.0.0.1:1", "127.0.0.1:x"),
        toml.replace("user:", ""),
        toml.replace("zk://", "http://"),
        toml.replace('/mesos"', '/mesos", zookeper = "1"'),
        toml.replace("}", ""),
    ):
        file.write_text(broken)
        with pytest.raises(ConfigError) as error:
            load(file)
        assert PASSWORD not in str(error.value)


def test_zookeeper_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    (tmp_path / "credential").write_text(f"user:{PASSWORD}")
    for credential in ("", f'zookeeper_credential_file = "{tmp_path}/credential"'):
        where = "127.0.0.1:1" if credential else f"user:{PASSWORD}@127.0.0.1:1"
        log = tmp_path / "log"
        file.write_text(f"""
            state_dir = "{tmp_path}/state"
            [discovery]
            zookeeper = "zk://{where}/mesos"
            {credential}
            [dns]
            listen = ["{HOST}:5353"]
            [vip]
            enabled = false
            [http]
            listen = ""
            [log]
            level = "debug"
        """)
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(file)]
        with log.open("wb") as opened, subprocess.Popen(command, stderr=opened) as process:
            try:
                wait_for(lambda: "ZooKeeper at 127.0.0.1:1" in log.read_text(), "a complaint", 30)  # noqa: B023
            finally:
                process.terminate()
        assert PASSWORD not in log.read_text()


def test_a_state_directory_has_no_secret_of_a_check(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text(f"""
        state_dir = "{tmp_path}/state"
        discovery = {{ file = "{STATE}" }}
        dns = {{ listen = ["{HOST}:5353"] }}
        vip = {{ enabled = false }}
        http = {{ listen = "{HOST}:8123" }}
        log = {{ level = "debug" }}
        [health]
        interval = 0.2
        timeout = 0.1
        edge_interval = 0.1
        grace = 0.1
        [[health.checks]]
        check = "http / 'header=Authorization: Bearer {HEADER}'"
    """)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "pointsman", "run", "--config", str(file)]
    with log.open("wb") as opened, subprocess.Popen(command, stderr=opened) as process:
        try:
            wait_for(lambda: "-> lost" in log.read_text(), "a target that is lost")
            said = [fetched(path) for path in PATHS]
        finally:
            process.terminate()
    kept = [one.read_bytes() for one in (tmp_path / "state").iterdir()]
    assert any(b"lost" in one or b"refused" in one for one in kept), "what is down is remembered"
    assert HEADER not in log.read_text() + "".join(said)
    assert not [one for one in kept if HEADER.encode() in one]
