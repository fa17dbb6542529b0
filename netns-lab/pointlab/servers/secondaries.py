"""BIND, Knot and NSD as secondaries of a zone: their configurations, and the commands to run them.

Each is what an operator would write; docs/secondaries.md shows the same.
"""

from pathlib import Path

import msgspec

from pointlab.servers.nameservers import SBIN


class Primary(msgspec.Struct, frozen=True):
    """Where a secondary gets the zone from."""

    zone: str
    """Without its last dot."""
    address: str
    port: int
    key: str = ""
    """Name of the key of TSIG, without its last dot; empty for none."""
    secret: str = ""
    """Of hmac-sha256, in base64."""


def bind(folder: Path, port: int, primary: Primary) -> list[str]:
    """Write BIND's configuration; return the command that runs it in the foreground."""
    key = clause = ""
    if primary.key:
        clause = _clause(primary)
        key = f" key {primary.key}"
    (folder / "named.conf").write_text(f"""{clause}
options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  allow-transfer {{ 127.0.0.1; }};
  notify no;
}};
controls {{ }};
zone "{primary.zone}" {{
  type secondary;
  primaries {{ {primary.address} port {primary.port}{key}; }};
  file "{primary.zone}.db";
}};
""")
    return [str(SBIN / "named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]


def knot(folder: Path, port: int, primary: Primary) -> list[str]:
    """Write Knot's configuration; return the command that runs it in the foreground."""
    key = used = ""
    if primary.key:
        key = f"""
key:
  - id: {primary.key}
    algorithm: hmac-sha256
    secret: {primary.secret}
"""
        used = f"\n    key: {primary.key}"
    (folder / "knot.conf").write_text(f"""server:
  rundir: {folder}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: {folder}
{key}
remote:
  - id: pointsman
    address: {primary.address}@{primary.port}{used}
acl:
  - id: notices
    address: {primary.address}{used}
    action: notify
  - id: copies
    address: 127.0.0.1
    action: transfer
zone:
  - domain: {primary.zone}
    storage: {folder}
    master: pointsman
    acl: [notices, copies]
""")
    return [str(SBIN / "knotd"), "-c", str(folder / "knot.conf")]


def nsd(folder: Path, port: int, primary: Primary) -> list[str]:
    """Write NSD's configuration; return the command that runs it in the foreground."""
    key = ""
    if primary.key:
        key = f"""
key:
  name: {primary.key}
  algorithm: hmac-sha256
  secret: "{primary.secret}"
"""
    name = primary.key or "NOKEY"
    (folder / "nsd.conf").write_text(f"""server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdir: "{folder}"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
{key}
zone:
  name: {primary.zone}
  zonefile: {primary.zone}.zone
  request-xfr: {primary.address}@{primary.port} {name}
  allow-notify: {primary.address} {name}
  provide-xfr: 127.0.0.1 NOKEY
""")
    return [str(SBIN / "nsd"), "-d", "-c", str(folder / "nsd.conf")]


SERVERS = {"BIND": bind, "Knot": knot, "NSD": nsd}


def _clause(primary: Primary) -> str:
    """Return a key as BIND, and Pointsman, read it."""
    return f'key "{primary.key}" {{ algorithm hmac-sha256; secret "{primary.secret}"; }};'


def key_file(primary: Primary) -> str:
    """Return the text of a file with the key of a primary."""
    return f"{_clause(primary)}\n"
