"""Writes docs/licences.md: of each package in deploy/requirements.txt, what its metadata says."""

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PLATFORM = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
HEAD = """# Licences

Of the packages that Pointsman needs to run, by their own metadata. Pointsman itself, \
with its extension in C, is under the Apache License 2.0. `scripts/lock` writes this page.

| package | licence |
|---|---|
"""


def locked() -> list[Requirement]:
    """Return what the lock file names, but for other systems."""
    lines = (ROOT / "deploy/requirements.txt").read_text().splitlines()
    found = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    return [one for one in found if not one.marker or one.marker.evaluate(PLATFORM)]


def licence(package: str) -> str:
    """Return what the metadata says: an SPDX expression (PEP 639), else the classifiers."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return "is not installed here"
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in said.get_all("Classifier", [])
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    return said.get("License-Expression") or ", ".join(classifiers) or said.get("License") or "none"


def page() -> str:
    """Return the page."""
    return HEAD + "".join(f"| {one.name} | {licence(one.name)} |\n" for one in locked())


if __name__ == "__main__":
    (ROOT / "docs/licences.md").write_text(page())
