from pathlib import Path

import pytest

from pointsman.discovery.errors import Transient
from pointsman.discovery.files import replace


def test_a_file_takes_the_place_of_the_last_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    replace(path, [b"one"])
    replace(path, [b"two"])
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(path, [b"one"])
    (tmp_path / "file.new").mkdir()
    with pytest.raises(Transient, match=r"file can't be written"):
        replace(path, [b"two"])
    assert path.read_bytes() == b"one"
