"""Each rule of mesos-dns's names, by a state with a case for it; ``--update-golden`` rewrites."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from pointsman.config import Config, DnsConfig
from pointsman.discovery.model import Cluster, Master
from pointsman.discovery.statefile import read
from pointsman.pipeline import derive
from pointsman.rules import rules
from pointsman.show import notes, zone

TESTS = Path(__file__).parents[1]
PLAIN = DnsConfig(dcos=(), unhealthy="include")


def state() -> Cluster:
    found = read(TESTS / "data/names/state.json")
    return replace(found, masters=(Master("10.0.0.2", 5050), Master("10.0.0.1", 5050)))


@pytest.mark.parametrize(
    ("name", "dns"),
    [
        ("default", PLAIN),
        ("rfc952", DnsConfig(dcos=(), unhealthy="include", enforce_rfc952=True)),
        (
            "sources",
            DnsConfig(
                domain="dc1.example",
                dcos=(),
                unhealthy="include",
                ip_sources=("docker", "mesos", "netinfo"),
                srv_weight=7,
                ttl=5,
            ),
        ),
        ("dcos", DnsConfig(reverse=("9.0.0.0/8", "fd01:b::/32"))),
    ],
)
def test_names_are_those_that_the_rules_give(
    name: str, dns: DnsConfig, request: pytest.FixtureRequest
) -> None:
    config = Config(dns=dns)
    views = derive(state(), rules(config))
    records = zone(views, config)["records"]
    lines = [f"{r['name']} {r['ttl']} {r['type']} {r['data']}" for r in records]
    lines += [f"# {n['where']}: {n['why']}" for n in notes(views, config)["notes"]]
    golden = TESTS / f"golden/names-{name}.txt"
    shown = "\n".join(lines) + "\n"
    if request.config.getoption("--update-golden"):
        golden.write_text(shown)
    assert shown == golden.read_text()
