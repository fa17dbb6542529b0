"""From what one or more documents list to a Cluster, beginning with the Cluster before."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
from immutables import Map
from msgspec import Raw

from pointsman.discovery.model import (
    ENDED,
    Agent,
    Cluster,
    Framework,
    Master,
    Note,
    TaskKey,
    Told,
)

V = TypeVar("V", Agent, Framework)
T = TypeVar("T")

BAD_MEMBER = (msgspec.ValidationError, UnicodeDecodeError)
"""What decoding raises for a member of the wrong shape, or with text that isn't UTF-8."""


class Listing(msgspec.Struct):
    """What one document lists; a large state comes in several."""

    leader: Master | None = None
    elected: float = 0.0
    recovering: frozenset[str] = frozenset()
    agents: list[Agent] = []
    frameworks: list[Framework] = []
    tasks: Iterable[Told] = ()
    """In any state; to be read once."""
    notes: list[Note] = []
    """What was left out, and why; complete when the tasks have been read."""


def gather(listings: Iterable[Listing], before: Cluster = Cluster()) -> Cluster:  # noqa: B008
    """Return the Cluster of all listings together.

    What is equal to its like in ``before`` is taken from there, so that a Cluster in which
    little changed shares the rest with the one before, and comparing them costs little.
    """
    whole = Listing()
    found = _Tasks(before.tasks)
    for listing in listings:
        found.add(listing.tasks)
        whole.leader = listing.leader or whole.leader
        whole.elected = listing.elected or whole.elected
        whole.recovering |= listing.recovering
        whole.agents += listing.agents
        whole.frameworks += listing.frameworks
        whole.notes += listing.notes
    return Cluster(
        leader=whole.leader,
        elected=whole.elected,
        recovering=whole.recovering,
        agents=_merged(before.agents, whole.agents),
        frameworks=_merged(before.frameworks, whole.frameworks),
        tasks=found.finish(),
        notes=tuple(sorted(whole.notes)),
    )


class _Tasks:
    """The tasks of a Cluster in the making.

    Every loop is one of Python's own, which lets go of the interpreter's lock now and then.
    """

    def __init__(self, known: Map[TaskKey, Told]) -> None:
        self._known = known
        self._changed: dict[TaskKey, Told] = {}
        self._seen: set[TaskKey] = set()

    def add(self, listed: Iterable[Told]) -> None:
        known, seen, changed = self._known, self._seen, self._changed
        for told in listed:
            if told.state not in ENDED:
                key = (told.framework_id, told.id)
                seen.add(key)
                if known.get(key) != told:
                    # A view into a document keeps all of it, so only those of the first one stay.
                    changed[key] = told.alone() if known else told

    def finish(self) -> Map[TaskKey, Told]:
        """Return all tasks; the known map itself when none differs."""
        tasks, new = self._known, sum(key not in self._known for key in self._changed)
        gone = []
        if len(self._seen) - new < len(tasks):
            gone = [key for key in tasks if key not in self._seen]
        if gone or self._changed:
            mutation = tasks.mutate()
            for key, told in self._changed.items():
                mutation[key] = told
            for key in gone:
                del mutation[key]
            tasks = mutation.finish()
        while self._seen:
            self._seen.pop()  # one by one: to free all at once would hold the lock
        return tasks


def _merged(before: Map[str, V], listed: Iterable[V]) -> Map[str, V]:
    found = {one.id: one for one in listed}
    changed = {id_: one for id_, one in found.items() if before.get(id_) != one}
    gone = [id_ for id_ in before if id_ not in found]
    if not changed and not gone:
        return before
    merged = before.mutate()
    for id_, one in changed.items():
        merged[id_] = one
    for id_ in gone:
        del merged[id_]
    return merged.finish()


def good(
    members: Iterable[Raw], where: str, decode: Callable[[Raw], T], notes: list[Note]
) -> Iterator[T]:
    """Yield the members that can be decoded, and leave a note of each that can't."""
    for number, member in enumerate(members, 1):
        try:
            yield decode(member)
        except BAD_MEMBER as error:
            notes.append(Note(f"{where}, the {number}. listed", str(error)))
