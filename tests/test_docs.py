"""What the documents say is so."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pointlab.faults import faults
from pointlab.scenario import script
from pointlab.site import topology
from pointsman.checking import Checking
from pointsman.cli import parser
from pointsman.completion import tree
from pointsman.config import Config, parse
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust
from pointsman.dns.counts import Counts
from pointsman.health_metrics import HealthCollector
from pointsman.metrics import Metrics

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
STATE = ROOT / "tests/data/mesos/running-state.json"


def blocks(document: Path, *languages: str) -> list[str]:
    """Return the blocks of code of these languages, without the indentation of a list."""
    found = re.findall(
        r"^( *)```(\w*)\n(.*?)^\1```$", document.read_text(), re.MULTILINE | re.DOTALL
    )
    return [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        for indent, language, body in found
        if language in languages
    ]


def commands(document: Path) -> Iterator[list[str]]:
    """Yield the words of each `pointsman` in a block of shell, but for what is left open by `…`."""
    for block in blocks(document, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            before = ""
            for word in [*lexer, ";"]:
                if set(word) <= set("();<>|&"):
                    ours = words and words[0].rpartition("/")[2] == "pointsman"
                    if ours and before not in (">", "<") and "…" not in words:
                        yield words[1:]
                    words, before = [], word
                else:
                    words.append(word)


def examples(document: Path) -> list[tuple[str, str]]:
    """Return each block that is marked to be run, and what it prints by the block after it."""
    text = document.read_text()
    found = re.findall(
        r"^<!-- run -->\n```sh\n(.*?)^```\n\n```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    marked = re.findall(r"^<!-- run -->$", text, re.MULTILINE)
    assert len(found) == len(marked), f"{document.name}: what is printed follows what is run"
    return found


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


def test_every_command_is_documented_with_its_options_and_exit_codes() -> None:
    text = (ROOT / "docs/commands.md").read_text()
    sections = dict(re.findall(r"^##+ (.+)\n((?:(?!##).*\n)*)", text, re.MULTILINE))
    commands = {path.removeprefix("pointsman "): node for path, node in tree(parser()).walk()}
    del commands["pointsman"]
    assert sections.keys() == commands.keys()
    for name, node in commands.items():
        for flag in (flag for option in node.options for flag in option.flags):
            assert f"| `{flag}" in sections[name] or flag in ("-h", "--help"), f"{name} {flag}"
        inherited = sections[name.partition(" ")[0]]
        for code, meaning in node.exits.items():
            row = f"| {code} | {meaning} |"
            assert row in sections[name] or row in inherited, f"{name}: {row}"


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
    for block in blocks(document, "toml"):
        parse(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_of_json_are_json(document: Path) -> None:
    for block in blocks(document, "json"):
        json.loads(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_are_commands(document: Path) -> None:
    for words in commands(document):
        if "--version" not in words and "--help" not in words:
            parser().parse_args(words)


@pytest.mark.parametrize(
    ("does", "prints"),
    [
        pytest.param(*example, id=f"{document.stem}-{n}")
        for document in DOCUMENTS
        for n, example in enumerate(examples(document))
    ],
)
def test_examples_print_what_they_say(does: str, prints: str, served: str, tmp_path: Path) -> None:
    shutil.copy(STATE, tmp_path / "state.json")
    here = does.replace("@10.0.0.11", f"@{served} -p 5353")
    here = here.replace("http://127.0.0.1:8123", f"http://{served}:8123")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        here,
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line.rstrip() for line in done.stdout.splitlines()]
    assert (said, done.stderr) == (prints.splitlines(), "")


def test_the_documents_are_a_site_that_needs_no_other(tmp_path: Path) -> None:
    command = [ROOT / "scripts/docs", tmp_path / "made"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "made/site"
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"?([^\" >]+)"
            r"|<link\b(?=[^>]*\brel=\"?(?:stylesheet|preconnect|icon))[^>]*?\bhref=\"?([^\" >]+)",
            page.read_text(),
        )
        assert not [one for pair in loaded for one in pair if re.match("(https?:)?//", one)], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text()), style


def test_every_document_is_in_the_navigation() -> None:
    sections = tomllib.loads((ROOT / "docs/zensical.toml").read_text())["project"]["nav"]
    pages = {
        name
        for one in sections
        for page in one.values()
        for name in ([page] if isinstance(page, str) else page)
    }
    assert pages == {p.name for p in (ROOT / "docs").glob("*.md")} | {"decisions/README.md"}


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
