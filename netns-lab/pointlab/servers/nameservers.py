"""Real DNS servers of Debian on the loopback address, and Pointsmans that ask them.

`scripts/install` unpacks the servers into `.lab/dns`.
"""

import re
import signal
import sys
import urllib.request
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from pointlab.site.process import Processes, free_port, wait_for

ROOT = Path(__file__).parents[3]
SBIN = ROOT / ".lab/dns/usr/sbin"
STATE = ROOT / "tests/data/mesos/running-state.json"
HOST = "127.0.0.1"

ZONE = """\
$TTL 300
@ SOA ns.{zone}. root.{zone}. 1 2 3 4 60
@ NS ns
@ MX 10 mail
ns A 192.0.2.53
ns AAAA 2001:db8::53
mail A 192.0.2.25
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
short 1 A 192.0.2.3
alias CNAME www
_web._tcp SRV 0 5 80 www
txt TXT "one" "two; three"
naptr NAPTR 100 50 "s" "http" "" _web._tcp
svc HTTPS 1 . alpn=h2
caa CAA 0 issue "ca.example.net"
*.wild A 192.0.2.9
{many}
"""
MANY = "\n".join(f"many A 198.51.{n // 200}.{n % 200}" for n in range(300))


class Servers:
    """Real servers and Pointsmans, started and ended by name, with their files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = Processes(folder)
        self.ports: dict[str, int] = {}
        self.commands: dict[str, tuple[list[str], str]] = {}
        """How each is started, and a name that it knows."""

    def port(self, name: str) -> int:
        """Return the port of a server."""
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def at(self, name: str) -> str:
        """Return ADDRESS:PORT of a server."""
        return f"{HOST}:{self.port(name)}"

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def zone(self, name: str) -> Path:
        """Write a zone file with a record of each kind."""
        return self.write(f"{name}.zone", ZONE.format(zone=name, many=MANY))

    def start(self, name: str) -> None:
        """Start it, and wait until it answers."""
        command, known = self.commands[name]
        self.processes.start(name, command)
        wait_for(lambda: self.asked(name, known, timeout=1.0).answer, f"{name} to answer", 30.0)

    def stop(self, name: str) -> None:
        """Kill it."""
        self.processes.stop(name, signal.SIGKILL)

    def asked(
        self,
        server: str,
        name: str,
        type_: str = "A",
        *,
        tcp: bool = False,
        dnssec: bool = False,
        timeout: float = 10.0,
        edns: bool = True,
    ) -> dns.message.Message:
        """Ask a server; raises OSError when it does not answer."""
        query = dns.message.make_query(
            name, type_, use_edns=0 if edns else -1, want_dnssec=dnssec, payload=1232
        )
        ask = dns.query.tcp if tcp else dns.query.udp
        try:
            return ask(query, HOST, timeout, self.port(server))
        except dns.exception.Timeout as error:
            raise OSError(f"{server} does not answer") from error

    # Servers.

    def nsd(self, name: str) -> None:
        """Start an NSD for the zone NAME.test."""
        text = f"""
server:
    ip-address: {HOST}@{self.port(name)}
    username: ""
    chroot: ""
    zonesdir: "{self.folder}"
    pidfile: "{self.folder}/{name}.pid"
    database: ""
    zonelistfile: "{self.folder}/{name}.list"
    xfrdfile: "{self.folder}/{name}.xfrd"
    xfrdir: "{self.folder}"
remote-control:
    control-enable: no
zone:
    name: {name}.test
    zonefile: {self.zone(f"{name}.test")}
"""
        config = self.write(f"{name}.conf", text)
        self.commands[name] = [str(SBIN / "nsd"), "-d", "-c", str(config)], f"www.{name}.test."
        self.start(name)

    def knot(self, name: str) -> None:
        """Start a Knot that signs the zone NAME.test."""
        text = f"""
server:
    listen: {HOST}@{self.port(name)}
    rundir: "{self.folder}/{name}.run"
database:
    storage: "{self.folder}/{name}.db"
zone:
  - domain: {name}.test
    file: "{self.zone(f"{name}.test")}"
    dnssec-signing: on
    zonefile-sync: -1
    journal-content: none
"""
        for folder in ("run", "db"):
            (self.folder / f"{name}.{folder}").mkdir()
        config = self.write(f"{name}.conf", text)
        self.commands[name] = [str(SBIN / "knotd"), "-c", str(config)], f"www.{name}.test."
        self.start(name)

    def bind(self, name: str) -> None:
        """Start a BIND for the zones bind.test and both.test."""
        text = f"""
options {{
    directory "{self.folder}";
    pid-file "{self.folder}/{name}.pid";
    session-keyfile "{self.folder}/{name}.key";
    managed-keys-directory "{self.folder}";
    listen-on port {self.port(name)} {{ {HOST}; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    dnssec-validation no;
    max-udp-size 1232;
    max-records-per-type 0;
}};
controls {{ }};
zone "bind.test" {{ type primary; file "{self.zone("bind.test")}"; }};
zone "both.test" {{ type primary; file "{self.zone("both.test")}"; }};
"""
        config = self.write(f"{name}.conf", text)
        self.commands[name] = (
            [str(SBIN / "named"), "-g", "-n", "1", "-c", str(config)],
            "www.both.test.",
        )
        self.start(name)

    def unbound(self, name: str) -> None:
        """Start a resolver that knows some names and asks NSD about others."""
        local = "\n".join(
            f"    local-data: '{n}.both.test. {ttl} IN A 192.0.2.{last}'"
            for n, ttl, last in (("www", 300, 1), ("short", 1, 3), ("slow", 60, 4))
        )
        text = f"""
server:
    interface: {HOST}@{self.port(name)}
    port: {self.port(name)}
    username: ""
    chroot: ""
    directory: "{self.folder}"
    pidfile: "{self.folder}/{name}.pid"
    use-syslog: no
    do-not-query-localhost: no
    do-ip6: no
    module-config: "iterator"
    num-threads: 1
    local-zone: "both.test." static
    local-zone: "test." static
    local-zone: "nsd.test." transparent
{local}
stub-zone:
    name: "nsd.test"
    stub-addr: {HOST}@{self.port("nsd")}
remote-control:
    control-enable: no
"""
        config = self.write(f"{name}.conf", text)
        self.commands[name] = (
            [str(SBIN / "unbound"), "-d", "-p", "-c", str(config)],
            "www.both.test.",
        )
        self.start(name)

    def pointsman(self, name: str, forward: str, http: str = "") -> None:
        """Start a Pointsman with these keys of `dns.forward`; ``http`` names its HTTP side."""
        config = self.write(
            f"{name}.toml",
            f"""
state_dir = "{self.folder}/{name}.state"
discovery = {{ file = "{STATE}" }}
vip = {{ enabled = false }}
http = {{ listen = "{self.at(http) if http else ""}" }}
[dns]
listen = ["{self.at(name)}"]
[dns.forward]
{forward}
""",
        )
        command = [sys.executable, "-m", "pointsman", "run", "--config", str(config)]
        self.commands[name] = command, "leader.mesos."
        self.start(name)

    def metric(self, http: str, name: str) -> float:
        """Return a metric, 0 for none."""
        with urllib.request.urlopen(f"http://{self.at(http)}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def up(self, http: str, upstream: str) -> bool:
        """Tell whether a Pointsman believes that an upstream answers."""
        return bool(self.metric(http, f'pointsman_dns_upstream_up{{upstream="{upstream}"}}'))
