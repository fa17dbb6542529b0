"""A host with Pointsman as its nameserver: programs run in it as on a node of their own.

It is a network namespace; what it has in place of files in ``/etc`` is mounted for each command.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pointlab.servers.nameservers import ROOT, SBIN, STATE
from pointlab.site.process import Processes, wait_for

RESOLVED = ROOT / ".lab/dns/lib/systemd/systemd-resolved"

LOOKUP = r"""
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words) {
  struct addrinfo hints = {0}, *found;
  char family = words[2][0];
  hints.ai_family = family == '4' ? AF_INET : family == '6' ? AF_INET6 : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(words[1], "80", &hints, &found);
  if (error) {
    printf("%s\n", error == EAI_NONAME ? "EAI_NONAME" : error == -5 ? "EAI_NODATA"
                   : error == EAI_AGAIN ? "EAI_AGAIN" : gai_strerror(error));
    return 0;
  }
  for (; found; found = found->ai_next) {
    char text[NI_MAXHOST];
    error = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0,
                        family == 'n' ? NI_NAMEREQD : NI_NUMERICHOST);
    puts(error ? gai_strerror(error) : text);
  }
  return count < 3;
}
"""
"""Prints what getaddrinfo says to a name and a family (4, 6 or any), a line each.

``name`` in place of the family prints what getnameinfo says to an address.
"""

ROOT_KEY = ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
"""The root zone's key of 2017: a resolver with it takes no zone as unsigned without proof."""

LINKS = (
    "link set lo up",
    "link add eth0 type veth peer name peer",
    "link set peer up",
    "link set eth0 up",
    "addr add 10.99.0.1/24 dev eth0",
)
"""What a host has: systemd-resolved asks nobody while there is nothing but the loopback."""

RESOLVE_ALL = """\
[Resolve]
DNS=127.0.0.1
Domains=~.
DNSSEC=no
LLMNR=no
MulticastDNS=no
"""

RECORDS = """\
dual A 10.9.0.1
dual AAAA fd09::1
deep.names.below A 10.9.0.2
far.out.inside A 10.9.0.3
""" + "".join(
    f"{name} A 10.8.0.{n}\n" for name, most in (("many", 80), ("some", 30)) for n in range(most)
)


def addresses(printed: str) -> list[str]:
    """Return what stands in records of type A and AAAA, in order."""
    return sorted(re.findall(r"\sA(?:AAA)?\s+([0-9a-f.:]+)$", printed, re.MULTILINE))


class Host:
    """A network namespace in which the whole program answers on port 53."""

    def __init__(
        self, folder: Path, dns: str = "", address: str = "127.0.0.1", links: Sequence[str] = ()
    ) -> None:
        """``dns`` has further lines of the configuration's ``[dns]``, ``links`` words for `ip`."""
        self.folder = folder
        self._dns = dns
        self._address = address
        self._links = links
        self.name = f"pointsman-{os.getpid()}-{folder.name[-8:]}"
        self.processes = Processes(folder)

    def up(self) -> None:
        """Make the namespace and start Pointsman in it."""
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for words in (*LINKS, *self._links):
            self.run(["ip", *words.split()])
        (self.folder / "records").write_text(RECORDS)
        (self.folder / "nsswitch.conf").write_text("hosts: dns\n")
        self.resolve_by(self._address)
        (self.folder / "pointsman.toml").write_text(f"""
            state_dir = "{self.folder}/state"
            discovery = {{ file = "{STATE}" }}
            vip = {{ enabled = false }}
            http = {{ listen = "" }}
            [dns]
            listen = ["{self._address}:53"]
            nsid = "node-7"
            reverse = ["172.17.0.0/16"]
            records_file = "{self.folder}/records"
            {self._dns}
        """)
        config = str(self.folder / "pointsman.toml")
        command = [sys.executable, "-m", "pointsman", "run", "--config", config]
        self.processes.start("pointsman", command, netns=self.name)
        wait_for(lambda: "10.9.0.1" in self.run(["dig", "+short", "dual.mesos"]), "Pointsman")

    def down(self) -> None:
        """End all of it."""
        for name in self.processes.names():
            self.processes.stop(name)
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def resolve_by(self, server: str, *options: str) -> None:
        """Have programs ask this server; further lines are those of resolv.conf(5)."""
        lines = [f"nameserver {server}", *options]
        (self.folder / "resolv.conf").write_text("\n".join(lines) + "\n")

    def run(self, command: list[str], timeout: float = 30, netns: str = "") -> str:
        """Run a command on this host, or in a container of it; return what it prints."""
        mounts = self._mounts({"resolv.conf": "resolv.conf", "nsswitch.conf": "nsswitch.conf"})
        done = subprocess.run(
            [
                *f"ip netns exec {netns or self.name} unshare --mount sh -c".split(),
                *(mounts, "sh", *command),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return done.stdout + done.stderr

    def _mounts(self, files: Mapping[str, str]) -> str:
        """Return the shell's words that put files of our own over some of /etc, and go on."""
        there = {to: file for to, file in files.items() if (self.folder / file).exists()}
        lines = [f"mount --bind {self.folder}/{file} /etc/{to}" for to, file in there.items()]
        return " && ".join([*lines, 'exec "$@"'])

    def unbound(self) -> None:
        """Start Unbound with every way to be strict, and have its log tell what it asks.

        It is on 127.0.0.1, port 54, and on 127.0.0.2, port 53, for C libraries; it knows
        www.example.com.
        """
        (self.folder / "unbound.conf").write_text(f"""server:
  interface: 127.0.0.1@54
  interface: 127.0.0.2@53
  local-data: "www.example.com. A 192.0.2.80"
  verbosity: 4
  directory: "{self.folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  module-config: "validator iterator"
  trust-anchor: "{ROOT_KEY}"
  domain-insecure: mesos
  domain-insecure: thisdcos.directory
  do-not-query-localhost: no
  use-caps-for-id: yes
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-glue: yes
  harden-dnssec-stripped: yes
  harden-large-queries: yes
  harden-short-bufsize: yes
  harden-referral-path: yes
  harden-below-nxdomain: yes
  local-zone: "17.172.in-addr.arpa." nodefault
  domain-insecure: 17.172.in-addr.arpa
stub-zone:
  name: mesos
  stub-addr: 127.0.0.1@53
stub-zone:
  name: 17.172.in-addr.arpa
  stub-addr: 127.0.0.1@53
forward-zone:
  name: thisdcos.directory
  forward-addr: 127.0.0.1@53
remote-control:
  control-enable: no
""")
        command = [str(SBIN / "unbound"), "-d", "-c", str(self.folder / "unbound.conf")]
        self.processes.start("unbound", command, netns=self.name)
        self._await(54, "127.0.0.1")

    def resolved(self, conf: str = RESOLVE_ALL) -> None:
        """Start systemd-resolved with this drop-in; its stub is 127.0.0.53."""
        passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
        (self.folder / "passwd").write_text(f"{passwd}systemd-resolve:x:997:997::/:/bin/false\n")
        (self.folder / "group").write_text(f"{group}systemd-resolve:x:997:\n")
        (self.folder / "resolved.conf").write_text(conf)
        script = " && ".join(
            (
                f"mount --bind {self.folder}/passwd /etc/passwd",
                f"mount --bind {self.folder}/group /etc/group",
                "mount -t tmpfs none /run",
                "mkdir -p /run/systemd/resolve && chown 997:997 /run/systemd/resolve",
                "mkdir -p /run/systemd/resolved.conf.d",
                f"cp {self.folder}/resolved.conf /run/systemd/resolved.conf.d/pointsman.conf",
                f"exec {RESOLVED}",
            )
        )
        command = ["unshare", "--mount", "sh", "-c", script]
        # Its log tells what it thinks of a server.
        told = {"SYSTEMD_LOG_LEVEL": "debug"}
        self.processes.start("resolved", command, told, netns=self.name)
        self._await(53, "127.0.0.53")

    def _await(self, port: int, server: str) -> None:
        command = ["dig", "+short", "+tries=1", "+time=1", f"@{server}", "-p", str(port)]
        wait_for(lambda: "10.9.0.1" in self.run([*command, "dual.mesos"]), f"{server} port {port}")
