"""What the scripts complete, asked of the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pointsman.cli import parser
from pointsman.completion import script, tree

CASES = [
    (["pointsman", "sh"], {"show"}),
    (["pointsman", "show", "e"], {"events"}),
    (["pointsman", "show", "events", "--fo"], {"--follow"}),
    (["pointsman", "show", "events", "--kind", "k"], {"kernel"}),
    (["pointsman", "status", "--w"], {"--watch"}),
    (["pointsman", "completion", "f"], {"fish"}),
    (["pointsman", "show", "zone", "--state", "sta"], {"state.json"}),
    (["pointsman", "import", "mesos-dns", "sta"], {"state.json"}),
    (["pointsman", "announce", "--format", "b"], {"bird"}),
    (["pointsman", "announce", "--hold", "b"], set[str]()),
]
IDS = [" ".join(words) for words, _ in CASES]

BASH = """
source ./script
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_pointsman
printf '%s\\n' "${COMPREPLY[@]}"
"""

# zsh completes in a terminal alone, so it has one; what it finds, it writes into a file.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=($PWD $fpath); autoload -U compinit; compinit -D -u'
zpty -w shell 'compadd() {
    local -a found; builtin compadd -O found "$@"
    (( $#found )) && print -lr -- $found >> seen
    builtin compadd "$@"
}'
zpty -w shell 'ask() { _main_complete; print e""nd }; zle -C ask complete-word ask'
zpty -w shell 'bindkey "^T" ask; print rea""dy'
zpty -r shell told '*ready*'
zpty -n -w shell "$*"$'\\x14'
zpty -r shell told '*end*'
cat seen
"""


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder, check=True
    )
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return one with a file to find."""
    (tmp_path / "state.json").touch()
    return tmp_path


@pytest.mark.parametrize(("words", "wanted"), CASES, ids=IDS)
def test_bash(words: list[str], wanted: set[str], folder: Path) -> None:
    (folder / "script").write_text(script("bash", tree(parser())))
    assert set(run(["bash", "-c", BASH, "bash", *words], folder).split()) == wanted


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish, which scripts/install installs")
@pytest.mark.parametrize(("words", "wanted"), CASES, ids=IDS)
def test_fish(words: list[str], wanted: set[str], folder: Path) -> None:
    (folder / "script").write_text(script("fish", tree(parser())))
    asked = f"source ./script; complete -C '{' '.join(words)}'"
    found = run(["fish", "--no-config", "-c", asked], folder)
    assert {line.partition("\t")[0] for line in found.splitlines()} == wanted


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh, which scripts/install installs")
@pytest.mark.parametrize(("words", "wanted"), CASES, ids=IDS)
def test_zsh(words: list[str], wanted: set[str], folder: Path) -> None:
    (folder / "_pointsman").write_text(script("zsh", tree(parser())))
    (folder / "seen").touch()
    assert set(run(["zsh", "-f", "-c", ZSH, "zsh", *words], folder).split()) == wanted


def test_the_tree_has_what_the_parser_takes() -> None:
    paths = {path for path, _ in tree(parser()).walk()}
    assert {"pointsman", "pointsman check", "pointsman show events"} <= paths
