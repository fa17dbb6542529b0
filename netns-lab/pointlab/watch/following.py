"""Follows a real cluster as the program does, and keeps every Cluster that it published."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from pointlab.site.cluster import Cluster as Lab
from pointsman.config import DiscoveryConfig
from pointsman.discovery import details
from pointsman.discovery.model import Change, Cluster, Task
from pointsman.discovery.seen import Seen
from pointsman.discovery.trust import Trust
from pointsman.source import Source


class Published(msgspec.Struct):
    """A Cluster and when it was published, in seconds of the monotonic clock."""

    at: float
    cluster: Cluster


class Follower:
    """A Source at work in a thread of its own."""

    def __init__(self, config: DiscoveryConfig, begin: Trust | None = None) -> None:
        self.all: list[Published] = []
        self.seen = Seen()
        self.source = Source(config, begin or Trust(), self._take, self.seen)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def _take(self, cluster: Cluster, _: Change) -> None:
        self.all.append(Published(time.monotonic(), cluster))

    def _run(self) -> None:
        self._task = self._loop.create_task(self.source.run())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; raises what ended it before."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(lambda: self._task.cancel())
        self._thread.join()
        if not self._task.cancelled():
            self._task.result()

    @property
    def cluster(self) -> Cluster:
        """The last one published; an empty one before."""
        return self.all[-1].cluster if self.all else Cluster()

    def tasks(self) -> dict[str, Task]:
        """Return the tasks of the last one, by id."""
        return {task.id: task for task in details.tasks(self.cluster)}

    def running(self) -> set[str]:
        """Return the ids of those that run."""
        return {task.id for task in self.tasks().values() if task.state == "TASK_RUNNING"}

    def missing(self, task_id: str, since: int = 0) -> list[Published]:
        """Return what was published without a running task of this id."""
        return [one for one in self.all[since:] if not _runs(one.cluster, task_id)]


def _runs(cluster: Cluster, task_id: str) -> bool:
    return any(
        told.id == task_id and told.state == "TASK_RUNNING" and told.agent_id in cluster.agents
        for told in cluster.tasks.values()
    )


@contextmanager
def following(lab: Lab, begin: Trust | None = None, **config: Any) -> Iterator[Follower]:
    """Follow a lab's masters, through ZooKeeper where there is one."""
    found: dict[str, Any] = {"masters": lab.masters, "poll_interval": 0.2, "retry_max": 1.0}
    if lab.zookeeper:
        found |= {"masters": (), "zookeeper": f"zk://{lab.zookeeper}/mesos"}
    follower = Follower(DiscoveryConfig(**(found | config)), begin)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()
