"""A real Mesos cluster on loopback addresses, one for the tests of each module."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointlab import mesos
from pointlab.cluster import Cluster, Host
from pointlab.process import Processes

MASTER = Host("master", "127.31.0.1")
AGENTS = tuple(Host(f"agent{n}", f"127.31.0.{10 + n}") for n in (1, 2))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if not Path(mesos.HOST).exists():
        pytest.fail("no Mesos is built here; netns-lab/mesos/build builds it")
    # Not pytest's tmp_path: the path of an agent's unix socket has room for some 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mesos-"))
    cluster = Cluster(Processes(folder), MASTER, AGENTS)
    try:
        cluster.up()
        cluster.wait()
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(folder)
