"""What is built and installed is whole, with the extension in C, and without it too."""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATE = ROOT / "tests/data/mesos/running-state.json"
NATIVE = "pointsman/dns/_native.abi3.so"
NO_COMPILER = {"CC": "false"}
LIBRARIES = {"PYTHONPATH": sysconfig.get_path("purelib")}


class Environment:
    """A virtual environment with what the build takes."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        self.pip("install", *project["build-system"]["requires"])

    def run(self, program: str, *words: str | Path, **env: str) -> str:
        """Return what a program of it prints."""
        env = {**os.environ, "PYTHONPATH": "", **env}
        return subprocess.check_output([self.bin / program, *words], env=env, text=True, cwd="/")

    def pip(self, *words: str | Path, **env: str) -> None:
        self.run("pip", *words, "--quiet", "--disable-pip-version-check", **env)

    def wheel(self, source: Path, into: Path, **env: str) -> Path:
        """Return the wheel made of a folder or a source distribution."""
        self.pip("wheel", "--no-build-isolation", "--no-deps", "-w", into, source, **env)
        (made,) = into.glob("*.whl")
        return made

    def sdist(self, source: Path, into: Path) -> Path:
        code = "import os, sys; from setuptools import build_meta; os.chdir(sys.argv[1]); "
        self.run("python", "-c", code + "build_meta.build_sdist(sys.argv[2])", source, into)
        (made,) = into.glob("*.tar.gz")
        return made

    def install(self, *words: str | Path, **env: str) -> None:
        self.pip("install", "--no-build-isolation", "--no-deps", "--force-reinstall", *words, **env)

    def native(self) -> str:
        """Say whether what is installed has the extension."""
        code = "import pointsman.dns\ntry: from pointsman.dns import _native; print('native')\n"
        return self.run("python", "-c", code + "except ImportError: print('missing')").strip()

    def resolve(self) -> str:
        """Return what the program that is installed finds about a name."""
        words = ("resolve", "web.marathon.mesos", "A", "--state", STATE)
        return self.run("pointsman", *words, **LIBRARIES)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy to build from, as setuptools leaves its own folders behind."""
    copy = tmp_path_factory.mktemp("source") / "copy"
    left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    (copy / "dns/_native.abi3.so").write_text("built here for an editable install")
    return copy


@pytest.fixture(scope="module")
def wheel(environment: Environment, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment.wheel(source, tmp_path_factory.mktemp("wheel"))


def held(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_module_and_nothing_else_at_its_top(
    wheel: Path, source: Path
) -> None:
    names = held(wheel)
    for folder in ("discovery", "dns", "healthcheck", "vip"):
        modules = {f"pointsman/{folder}/{p.name}" for p in (source / folder).glob("*.py*")}
        assert modules <= names
    commands = (source / "src/pointsman/commands").glob("*.py")
    assert {f"pointsman/commands/{p.name}" for p in commands} <= names
    page = {f"pointsman/page/{p.name}" for p in (source / "src/pointsman/page").iterdir()}
    assert len(page) > 1
    assert page <= names
    assert {n.partition("/")[0] for n in names} == {
        "pointsman",
        wheel.name.partition("-cp3")[0] + ".dist-info",
    }


def test_the_wheel_holds_the_extension_for_every_python_from_3_11_on_and_not_its_sources(
    wheel: Path,
) -> None:
    assert wheel.name.endswith(f"-cp311-abi3-linux_{platform.machine()}.whl")
    names = held(wheel)
    assert NATIVE in names
    assert not [name for name in names if name.endswith((".c", ".h")) or "/native/" in name]


def test_the_extension_was_built_hardened_and_tells_nothing_of_where(
    wheel: Path, source: Path, tmp_path: Path
) -> None:
    library = Path(zipfile.ZipFile(wheel).extract(NATIVE, tmp_path))
    said = subprocess.check_output(["readelf", "--wide", "--all", library], text=True)
    assert "GNU_RELRO" in said
    assert "BIND_NOW" in said
    assert "__stack_chk_fail" in said
    assert ".symtab" not in said
    assert str(source).encode() not in library.read_bytes()


def test_the_wheel_installs_and_has_the_extension(environment: Environment, wheel: Path) -> None:
    environment.install(wheel)
    assert environment.native() == "native"
    assert "127.0.0.11" in environment.resolve()


def test_without_a_compiler_there_is_a_wheel_for_any_system_that_does_without(
    environment: Environment, source: Path, tmp_path: Path
) -> None:
    pure = environment.wheel(source, tmp_path, **NO_COMPILER)
    assert pure.name.endswith("-py3-none-any.whl")
    assert not [name for name in held(pure) if ".so" in name or ".data/" in name]
    environment.install(pure)
    assert environment.native() == "missing"
    assert "127.0.0.11" in environment.resolve()


def test_the_source_distribution_has_all_that_the_wheel_is_made_of(
    environment: Environment, source: Path, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    again = environment.wheel(environment.sdist(source, tmp_path), tmp_path / "again")
    assert again.name == wheel.name
    assert held(again) == held(wheel)


def test_an_editable_install_has_the_extension_of_its_sources_or_none(
    environment: Environment, source: Path
) -> None:
    environment.install("--editable", source)
    assert environment.native() == "native"
    # A source that can't be built leaves nothing of what it was before.
    module = source / "dns/native/module.c"
    good = module.read_text()
    module.write_text(good + "#error")
    environment.install("--editable", source)
    assert environment.native() == "missing"
    assert "127.0.0.11" in environment.resolve()
    module.write_text(good)
