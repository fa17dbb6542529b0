"""Rules of the folder layout."""

from pathlib import Path

import dns
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("discovery", "dns", "healthcheck", "vip")


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_is_linked_into_the_package(folder: str) -> None:
    link = ROOT / "src" / "pointsman" / folder
    assert link.is_symlink()
    assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_is_no_package_of_its_own(folder: str) -> None:
    # Without __init__.py an installed dns (dnspython) wins over ./dns.
    assert not (ROOT / folder / "__init__.py").exists()


def test_dns_is_dnspython() -> None:
    assert dns.__file__ is not None
    assert Path(dns.__file__).parent != ROOT / "dns"
