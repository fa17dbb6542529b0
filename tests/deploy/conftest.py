import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab.servers.debian import Debian

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            # The first of them waits for the package and for what it depends on.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the wheel and the Debian package, both just made."""
    folder = tmp_path_factory.mktemp("dist")
    env = {**os.environ, "DIST": str(folder)}
    done = subprocess.run(
        [ROOT / "scripts/package"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def package(packages: Path) -> Path:
    (found,) = packages.glob("pointsman_*.deb")
    return found


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[Debian]:
    """Give a minimal Debian in which the package has been installed."""
    if os.geteuid():
        pytest.skip("a file system over another needs root")
    made = Debian(tmp_path_factory.mktemp("debian"))
    made.up()
    try:
        (made.tree / "tmp" / package.name).write_bytes(package.read_bytes())
        (made.tree / "tmp/said").write_text(made.install(f"/tmp/{package.name}"))
        yield made
    finally:
        made.down()
