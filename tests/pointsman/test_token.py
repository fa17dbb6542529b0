from pathlib import Path

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.token import read, shown

TOKEN = "0123456789abcdef"


def test_a_token_is_read_without_the_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read(str(tmp_path / "token")) == TOKEN
    assert read("") == ""


@pytest.mark.parametrize("text", ["", "short", "0123456789 abcdef", "0123456789abcde\xe9"])
def test_one_that_is_of_no_use_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(Fatal, match=r"^http\.token_file: .* is not 16 or more letters") as error:
        read(str(tmp_path / "token"))
    assert not text or text not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"^http\.token_file: .*/nope: "):
        read(str(tmp_path / "nope"))


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN}", True),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("", False),
        ("Bearer", False),
        (f"Bearer {TOKEN}0", False),
        ("Bearer \udcff", False),
    ],
)
def test_only_the_token_itself_counts(header: str, good: bool) -> None:
    assert shown(header, TOKEN) is good
