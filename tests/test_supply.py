"""What Pointsman is made of: the lock file, and under which licences."""

import importlib.util
import tomllib
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy/requirements.txt"


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts/licences.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_file_has_what_the_project_asks_for(licences: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {canonicalize_name(one.name): one.specifier for one in licences.locked()}
    for wanted in map(Requirement, project["dependencies"]):
        (version,) = locked[canonicalize_name(wanted.name)]
        assert version.operator == "=="
        assert version.version in wanted.specifier, wanted


def test_each_package_of_the_lock_file_has_a_digest() -> None:
    for line, after in pairwise(LOCK.read_text().splitlines()):
        if "==" in line:
            assert after.strip().startswith("--hash=sha256:"), line


def test_licences_are_those_of_the_packages(licences: ModuleType) -> None:
    assert (ROOT / "docs/licences.md").read_text() == licences.page()


def test_no_licence_asks_for_more_than_to_be_named(licences: ModuleType) -> None:
    for package in licences.locked():
        said = licences.licence(package.name)
        assert "GPL" not in said or " OR " in said, package
        assert said not in ("none", "is not installed here"), package
