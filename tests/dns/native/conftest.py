"""Builds the responder's C beside its tests, so that what a sanitizer finds ends the program."""

import importlib.util
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "dns/native"
FLAGS = [
    "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-pthread", f"-I{SOURCES}",
    "-DPy_LIMITED_API=0x030B0000", "-isystem", sysconfig.get_path("include"),
    "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fno-sanitize-recover=all",
]  # fmt: skip
GIVEN = "POINTSMAN_NATIVE"
"""Names the extension that is tried; where it is not set, one is built without sanitizers."""

Build = Callable[..., Path]
"""Takes a compiler, what it is told, and the name of what it makes."""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Give what makes a program of C files."""
    folder = tmp_path_factory.mktemp("native")

    def built(compiler: str, *words: str | Path, name: str) -> Path:
        made = folder / f"{compiler}-{name}"
        if not made.exists():
            command = [compiler, *FLAGS, *words, "-o", made]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return made

    return built


@pytest.fixture(scope="session")
def extension(build: Build) -> Callable[..., Path]:
    """Give what makes the extension."""

    def built(*words: str) -> Path:
        flags = ["-fPIC", "-shared", "-fvisibility=hidden", *words]
        name = "".join(["_native", *words, ".so"])
        return build("gcc", *flags, *sorted(SOURCES.glob("*.c")), name=name)

    return built


@pytest.fixture(scope="session")
def load(extension: Callable[..., Path]) -> Callable[[], ModuleType]:
    """Give what loads the extension, anew each time."""
    path = os.environ.get(GIVEN) or extension()

    def loaded() -> ModuleType:
        spec = importlib.util.spec_from_file_location("_native", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture(scope="session")
def native(load: Callable[[], ModuleType]) -> Any:
    """Give the extension."""
    return load()
