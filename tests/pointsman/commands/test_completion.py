import pytest

from pointsman.cli import main


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o filenames -F _pointsman pointsman"),
        ("zsh", "#compdef pointsman"),
        ("fish", "complete -c pointsman -f"),
    ],
)
def test_a_script_is_printed(shell: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert line in capsys.readouterr().out.splitlines()
