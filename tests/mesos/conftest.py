"""A real Mesos on loopback addresses."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointlab.site import mesos
from pointlab.site.cluster import Cluster, Host
from pointlab.site.process import Processes

HERE = Path(__file__).parent
OURS = f"127.{100 + os.getpid() % 100}"
"""Of this run alone, so that another may go on beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("mesos")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Give one master, two agents, and the framework."""
    with _running(f"{OURS}.21", masters=1) as started:
        yield started


@pytest.fixture
def elected() -> Iterator[Cluster]:
    """Give three masters that elect their leader over ZooKeeper, two agents, and the framework."""
    with _running(f"{OURS}.22", masters=3) as started:
        yield started


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """Give one master that demands ``ops:s3cret`` of all who ask, an agent, and the framework."""
    with _running(f"{OURS}.24", masters=1, agents=1, credential="ops:s3cret") as started:
        yield started


@contextmanager
def _running(
    network: str, masters: int, agents: int = 2, credential: str = ""
) -> Iterator[Cluster]:
    if not Path(mesos.HOST).exists():
        pytest.fail("no Mesos is built here; netns-lab/mesos/build builds it")
    # Not pytest's folder: the path of an agent's unix socket has room for some 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mesos-"))
    cluster = Cluster(
        Processes(folder),
        [Host(f"master{n}", f"{network}.{n}") for n in range(1, masters + 1)],
        [Host(f"agent{n}", f"{network}.{10 + n}") for n in range(1, agents + 1)],
        Host("zookeeper", f"{network}.9") if masters > 1 else None,
        credential,
    )
    try:
        cluster.up()
        cluster.wait()
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(folder)
