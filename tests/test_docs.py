"""What the documents say is so."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from pointsman.config import Config, parse
from pointsman.metrics import Metrics

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def keys() -> dict[str, object]:
    """Return each key of the configuration with its default."""
    found: dict[str, object] = {}
    for name, value in msgspec.json.decode(msgspec.json.encode(Config())).items():
        inner = value if isinstance(value, dict) else None
        found |= {f"{name}.{k}": v for k, v in inner.items()} if inner else {name: value}
    return found


def test_every_key_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-z0-9_.]+)` \| `(.*?)` \|",
        (ROOT / "docs/configuration.md").read_text(),
        re.MULTILINE,
    )
    documented = {key: msgspec.json.decode(default) for key, default in rows}
    assert documented == {key: msgspec.to_builtins(value) for key, value in keys().items()}


def test_every_metric_is_documented() -> None:
    metrics = Metrics()
    metrics.count_dns(lambda: {"answered": 0})
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


def test_the_version_is_said_once() -> None:
    from pointsman import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
