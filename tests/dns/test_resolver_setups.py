"""What docs/resolvers.md has operators write, as it stands there, in namespaces of their own."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.servers.clients import LOOKUP, Host, addresses
from pointlab.site.process import wait_for

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/resolvers.md").read_text()
BLOCKS: list[str] = re.findall(r"^```\w*\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
POINTSMAN = "198.51.100.1"
UPSTREAM = "127.0.0.9"
WEB = ["127.0.0.11", "127.0.0.12"]
DNSMASQ = ROOT / ".lab/dnsmasq"
LIBRARIES = ":".join(f"{DNSMASQ}/{folder}/x86_64-linux-gnu" for folder in ("lib", "usr/lib"))


def block(begins: str) -> str:
    """Return the one block of the document that begins so."""
    (found,) = (each for each in BLOCKS if each.startswith(begins))
    return found


# A bridge without ports leads nowhere as well; tests/deploy has the document's own kind, which not
# every kernel has.
LINKS = [
    line.removeprefix("ip ").replace("type dummy", "type bridge")
    for line in block("ip link add").splitlines()
]
BRIDGE = [
    "link add docker0 type bridge",
    "address add 172.17.0.1/16 dev docker0",
    "link set docker0 up",
]


def dnsmasq(host: Host, name: str, *words: str) -> None:
    command = [
        f"LD_LIBRARY_PATH={LIBRARIES}", str(DNSMASQ / "usr/sbin/dnsmasq"),
        "--keep-in-foreground", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root",
        "--pid-file", *words,
    ]  # fmt: skip
    host.processes.start(name, ["env", *command], netns=host.name)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give a host with the document's address, and a resolver that knows www.example.com."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    forward = f'forward = {{ upstreams = ["{UPSTREAM}"] }}'
    made = Host(tmp_path_factory.mktemp("node"), forward, POINTSMAN, [*LINKS, *BRIDGE])
    try:
        made.up()
        known = "--address=/www.example.com/20.0.0.80"
        dnsmasq(made, "upstream", f"--listen-address={UPSTREAM}", "--conf-file=/dev/null", known)
        wait_for(lambda: asked(made, UPSTREAM, "www.example.com"), "the other resolver")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def container(node: Host) -> Iterator[str]:
    """Give a network namespace behind a bridge of the host, as Docker makes them."""
    name = f"{node.name}-c"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        node.run(f"ip link add veth0 type veth peer name eth0 netns {name}".split())
        node.run(["ip", "link", "set", "veth0", "master", "docker0", "up"])
        for words in (
            "link set lo up",
            "addr add 172.17.0.2/16 dev eth0",
            "link set eth0 up",
            "route add default via 172.17.0.1",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture(scope="module", params=["glibc", "musl"])
def lookup(request: pytest.FixtureRequest, node: Host) -> str:
    """Give a program that calls getaddrinfo of this C library."""
    source = node.folder / "lookup.c"
    source.write_text(LOOKUP)
    program = str(node.folder / f"lookup-{request.param}")
    compiler = ["musl-gcc", "-static"] if request.param == "musl" else ["gcc"]
    subprocess.run([*compiler, "-O1", "-o", program, str(source)], check=True)
    return program


def found(node: Host, program: str, name: str, netns: str = "") -> list[str]:
    return sorted(node.run([program, name, "4"], netns=netns).splitlines())


def resolv_conf(node: Host, text: str) -> None:
    (node.folder / "resolv.conf").write_text(text)


@pytest.mark.parametrize("where", ["host", "container"])
def test_a_plain_resolv_conf(node: Host, container: str, lookup: str, where: str) -> None:
    resolv_conf(node, block("# /etc/resolv.conf"))
    netns = container if where == "container" else ""
    assert found(node, lookup, "web.marathon.mesos", netns) == WEB
    assert found(node, lookup, "web", netns) == WEB  # by `search`
    assert found(node, lookup, "www.example.com", netns) == ["20.0.0.80"]
    assert found(node, lookup, "nope.marathon.mesos", netns) == ["EAI_NONAME"]


def test_what_docker_writes_for_a_container(node: Host, container: str, lookup: str) -> None:
    daemon = json.loads(block('{\n  "dns"'))
    lines = [f"nameserver {address}\n" for address in daemon["dns"]]
    resolv_conf(node, "".join(lines) + f"search {' '.join(daemon['dns-search'])}\n")
    assert found(node, lookup, "web", container) == WEB
    assert found(node, lookup, "www.example.com", container) == ["20.0.0.80"]


def test_the_address_is_no_way_out_of_a_container_to_the_loopback(
    node: Host, container: str, lookup: str
) -> None:
    resolv_conf(node, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    assert found(node, lookup, "web.marathon.mesos", container) == ["EAI_AGAIN"]


# Resolvers between programs and Pointsman: each listens on 127.0.0.1 or 127.0.0.53, has the
# document's block, and asks the other resolver about all else.


def dnsmasq_between(node: Host) -> str:
    file = node.folder / "dnsmasq.conf"
    file.write_text(f"{block('# /etc/dnsmasq.d')}server={UPSTREAM}\nstop-dns-rebind\n")
    dnsmasq(node, "between", "--listen-address=127.0.0.1", f"--conf-file={file}")
    return "127.0.0.1"


def unbound_between(node: Host) -> str:
    file = node.folder / "unbound.conf"
    file.write_text(f"""server:
  interface: 127.0.0.1
  directory: "{node.folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  private-address: 127.0.0.0/8
  module-config: "validator iterator"
  trust-anchor: ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
  domain-insecure: example.com
remote-control:
  control-enable: no
forward-zone:
  name: example.com
  forward-addr: {UPSTREAM}
{block("# /etc/unbound")}""")
    command = [str(ROOT / ".lab/dns/usr/sbin/unbound"), "-d", "-c", str(file)]
    node.processes.start("between", command, netns=node.name)
    return "127.0.0.1"


def bind_between(node: Host) -> str:
    file = node.folder / "named.conf"
    (excepted,) = re.findall(r"`(validate-except [^`]*)`", DOCUMENT)
    file.write_text(f"""options {{
  directory "{node.folder}";
  listen-on {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  dnssec-validation auto;
  {excepted.replace('"mesos"', '"mesos"; "example.com"')}
  forwarders {{ {UPSTREAM}; }};
  forward only;
}};
controls {{ }};
{block("# /etc/bind")}""")
    command = [str(ROOT / ".lab/dns/usr/sbin/named"), "-g", "-n", "1", "-c", str(file)]
    node.processes.start("between", command, netns=node.name)
    return "127.0.0.1"


def resolved_between(node: Host) -> str:
    node.resolved(block("# /etc/systemd/resolved.conf.d"))
    return "127.0.0.53"


@pytest.fixture(params=[dnsmasq_between, unbound_between, bind_between, resolved_between])
def between(request: pytest.FixtureRequest, node: Host) -> Iterator[str]:
    """Give the address of a resolver that has our zones from us."""
    resolv_conf(node, f"nameserver {POINTSMAN}\n")
    address = request.param(node)
    try:
        wait_for(lambda: asked(node, address, "web.marathon.mesos") == WEB, address)
        yield address
    finally:
        node.processes.stop("resolved" if address == "127.0.0.53" else "between")


def asked(node: Host, server: str, *words: str) -> list[str]:
    command = ["dig", "+noall", "+answer", "+tries=1", "+time=2", f"@{server}", *words]
    return addresses(node.run(command))


def test_a_resolver_between(node: Host, between: str, lookup: str) -> None:
    assert asked(node, between, "thisnode.thisdcos.directory") == [POINTSMAN]
    services = node.run(["dig", "+short", f"@{between}", "_web._tcp.marathon.mesos", "SRV"])
    assert len(services.splitlines()) == 2
    assert "status: NXDOMAIN" in node.run(["dig", f"@{between}", "nope.marathon.mesos"])
    assert asked(node, between, "www.example.com") == ["20.0.0.80"]
    resolv_conf(node, f"nameserver {between}\n")
    assert found(node, lookup, "web.marathon.mesos") == WEB
