import contextlib
import io
from pathlib import Path

import pytest

from pointsman.cli import main, parser
from pointsman.completion import Node, tree

LEAVES = {path: node for path, node in tree(parser()).walk() if not node.below}


def test_a_broken_configuration_names_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text("[dns]\nttll = 3\n[vip]\nenabeld = true\n")
    assert main(["flush", "--config", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'pointsman: {path}: dns.ttll: unknown key; did you mean "ttl"?',
        f'pointsman: {path}: vip.enabeld: unknown key; did you mean "enabled"?',
    ]


def test_what_can_not_be_done_is_said_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "zone", "--state", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("pointsman: ")


def test_options_that_do_not_go_together_are_a_wrong_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "config", "--example", "--json"]) == 2
    assert "TOML" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["shwo"], ["show"], ["status", "--watch", "0"]])
def test_a_command_that_there_is_not_is_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: pointsman" in capsys.readouterr().err


def helped(path: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as ended:
        main([*path.split()[1:], "--help"])
    assert ended.value.code == 0
    return out.getvalue()


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_help_teaches(path: str) -> None:
    text = helped(path)
    assert "examples:\n  " in text
    assert f"{path} " in text.partition("examples:")[2]
    assert "exit codes:\n  0  " in text
    assert all(option.help for option in LEAVES[path].options)


@pytest.mark.parametrize(("path", "node"), sorted(LEAVES.items()))
def test_all_that_print_print_json(path: str, node: Node) -> None:
    flags = {flag for option in node.options for flag in option.flags}
    assert ("--json" in flags) is (path not in ("pointsman run", "pointsman completion"))
