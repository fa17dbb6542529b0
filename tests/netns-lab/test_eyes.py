from collections.abc import Sequence
from typing import cast

import pytest

from pointlab.site import topology
from pointlab.site.lab import Lab
from pointlab.watch import eyes
from pointlab.watch.eyes import Eyes
from pointlab.watch.recording import Endpoint, Moment, Seen, Task

PLACE, OTHER = ("10.31.0.11", 10_080), ("10.31.0.12", 10_080)


class Looking(Eyes):
    """Sees the same everywhere."""

    def __init__(self, tasks: Sequence[Task], *seen: Endpoint) -> None:
        super().__init__(cast("Lab", None), lambda: ())
        self._seen, self._tasks = Seen(frozenset(seen)), tuple(tasks)

    def tasks(self, app: str) -> tuple[Task, ...]:
        return self._tasks

    def whole(self) -> list[str]:
        return ["agent1"]

    def look(self, node: str, what: str, app: str, all_: Sequence[Task]) -> Seen:
        return self._seen


ENDED = Task("web.1", "agent1", (PLACE,), (Moment(1.0, "TASK_FAILED", healthy=False),))
NEXT = Task("web.2", "agent1", (PLACE,), (Moment(2.0, "TASK_RUNNING", healthy=True),))


def test_ended_task_is_gone_where_another_has_its_host_port() -> None:
    assert Looking([ENDED], PLACE).gone("web.1") == "kernel of agent1 still has web.1"
    assert Looking([ENDED], OTHER).gone("web.1") == ""
    assert Looking([ENDED, NEXT], PLACE).gone("web.1") == ""
    assert Looking([ENDED, NEXT], PLACE).gone("web@agent1") == "kernel of agent1 still has web.1"


@pytest.mark.parametrize(
    ("name", "found"),
    [("bridge", "_web._tcp.marathon.slave.mesos"), ("overlay", "_web._tcp.marathon.mesos")],
)
def test_instances_behind_bridges_are_named_by_their_agents(name: str, found: str) -> None:
    assert eyes.srv_name(topology.load(name), "web") == found
