import os
import subprocess
from collections.abc import Iterator

import pytest

from pointlab.servers.clients import LOOKUP, Host
from pointlab.servers.paths import PATHS


@pytest.fixture(scope="module", params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """Give the name of each path from a query to its answer."""
    return str(request.param)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give the tests a host with the whole program on port 53."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    made = Host(tmp_path_factory.mktemp("host"))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module", params=["glibc", "musl"])
def lookup(request: pytest.FixtureRequest, host: Host) -> tuple[str, str]:
    """Give a program that calls getaddrinfo, and the C library that it does so by."""
    source = host.folder / "lookup.c"
    source.write_text(LOOKUP)
    program = str(host.folder / f"lookup-{request.param}")
    compiler = ["musl-gcc", "-static"] if request.param == "musl" else ["gcc"]
    subprocess.run([*compiler, "-O1", "-o", program, str(source)], check=True)
    return program, request.param
