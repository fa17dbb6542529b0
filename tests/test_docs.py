"""What the documents say is so."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pointlab.faults import faults
from pointlab.scenario import script
from pointlab.site import topology
from pointsman.checking import Checking
from pointsman.config import Config, parse
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust
from pointsman.dns.counts import Counts
from pointsman.health_metrics import HealthCollector
from pointsman.metrics import Metrics

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def keys(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return each key of a table, with those of the tables in it, and its value."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = isinstance(value, dict) and value
        found |= keys(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def test_every_key_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-z0-9_.]+)` \| `(.*?)` \|",
        (ROOT / "docs/configuration.md").read_text(),
        re.MULTILINE,
    )
    documented = {key: msgspec.json.decode(default) for key, default in rows}
    assert documented == keys(msgspec.json.decode(msgspec.json.encode(Config())))


def test_every_metric_is_documented(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.registry.register(HealthCollector(Checking(tmp_path / "health", lambda: None)))
    metrics.count_dns(Counts())
    metrics.count_discovery(lambda: (Seen(), Trust()))
    metrics.count_forwarding(lambda: None)
    exported = set(re.findall(r"^# TYPE (\S+)", metrics.text().decode(), re.MULTILINE))
    text = (ROOT / "docs/metrics.md").read_text()
    assert set(re.findall(r"^\| `(pointsman_\w+)` \|", text, re.MULTILINE)) == exported


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if not target.startswith("https://"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_of_configuration_are_good(document: Path) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        parse(block)


def test_the_deployed_configuration_is_good() -> None:
    parse((ROOT / "deploy/pointsman.toml").read_text())


def test_files_named_in_the_documents_exist() -> None:
    named = re.compile(r"(?<![\w/.])((?:scripts|netns-lab|bench|deploy|src|tests)/[\w./-]*\w)")
    for document in DOCUMENTS:
        for file in named.findall(document.read_text()):
            assert (ROOT / file).exists(), f"{document.name}: {file}"


def test_every_scenario_topology_and_fault_of_the_lab_is_documented() -> None:
    text = (ROOT / "docs/lab.md").read_text()
    for name in script.names():
        assert f"| `{name}` | {script.load(name).title} |" in text
    for name in topology.names():
        assert f"| `{name}` |" in text
    for kind in faults.KINDS:
        assert f"`{kind} " in text
    for verb in script.VERBS:
        assert f"`{verb} " in text


def test_the_version_is_said_once() -> None:
    from pointsman import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/pictures/*.png")), ids=lambda p: p.name)
def test_pictures_are_small_and_shown(picture: Path) -> None:
    assert picture.stat().st_size < 300_000
    assert any(f"pictures/{picture.name}" in document.read_text() for document in DOCUMENTS)
