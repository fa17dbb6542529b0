"""What is installed is whole: the folders of the root are in it, and nothing shadows dnspython."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_every_module_and_nothing_else_at_its_top(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    # Built from a copy: setuptools leaves its own folders behind.
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    subprocess.run([*command, str(copy)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("discovery", "dns", "healthcheck", "vip"):
        modules = {f"pointsman/{folder}/{p.name}" for p in (copy / folder).glob("*.py")}
        assert modules <= names
    commands = (copy / "src/pointsman/commands").glob("*.py")
    assert {f"pointsman/commands/{p.name}" for p in commands} <= names
    page = {f"pointsman/page/{p.name}" for p in (copy / "src/pointsman/page").iterdir()}
    assert len(page) > 1
    assert page <= names
    assert {n.partition("/")[0] for n in names} == {
        "pointsman",
        wheel.name.partition("-py3")[0] + ".dist-info",
    }
