"""Steps of a zone: whoever replays them has the zone."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.dns.journal import HALF, WHOLE, Journal, Line, Step, latest, newer
from pointsman.dns.records import Record
from pointsman.dns.zone import Soa, Zone

NAMES = ("a.mesos.", "b.a.mesos.", "c.mesos.", "d.c.mesos.")
records = st.builds(
    Record,
    st.sampled_from(NAMES),
    st.just("A"),
    st.sampled_from(("10.0.0.1", "10.0.0.2")),
    st.sampled_from((5, 60)),
    st.booleans(),
    st.sampled_from(("", "one", "two")),
)


@given(
    st.lists(records, max_size=6),
    st.lists(st.tuples(st.lists(records, max_size=4), st.integers(0, 63)), max_size=8),
    st.integers(0, 8),
)
def test_what_changed_is_told_from_any_serial_on(
    begin: list[Record], changes: list[tuple[list[Record], int]], back: int
) -> None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60, ["10.0.0.9"], WHOLE - 3)
    zone.update((), begin)
    zone.loaded = True
    zone.journal = Journal(1_000)
    held, seen = list(begin), [(zone.serial, frozenset(zone.lines()))]
    for added, which in changes:
        removed = [r for n, r in enumerate(held) if which >> n & 1]
        held = [r for n, r in enumerate(held) if not which >> n & 1] + added
        zone.update(removed, added)
        seen.append((zone.serial, frozenset(zone.lines())))
    serial, lines = seen[-1 - min(back, len(changes))]
    steps = zone.journal.since(serial)
    if serial == zone.serial:
        assert lines == seen[-1][1]
        return
    assert steps is not None
    for step in steps:
        assert step.before == serial
        assert lines >= set(step.removed)
        assert not lines & set(step.added)
        lines, serial = lines - set(step.removed) | set(step.added), step.after
    assert (serial, lines) == seen[-1]


def step(before: int, count: int = 1) -> Step:
    line = Line("a.mesos.", "A", 60, "10.0.0.1")
    return Step(before, before + 1, (), (line,) * count)


def test_the_oldest_steps_are_forgotten() -> None:
    journal = Journal(10)
    for serial in range(20):
        journal.add(step(serial))
    assert len(journal) == 10
    assert journal.since(14) is None
    steps = journal.since(15)
    assert steps is not None
    assert [s.before for s in steps] == [15, 16, 17, 18, 19]
    journal.add(step(20, 100))
    assert journal.since(20) is None
    assert len(journal) == 0


def test_a_step_that_does_not_join_begins_anew() -> None:
    journal = Journal(10)
    journal.add(step(1))
    journal.add(step(7))
    assert journal.since(1) is None
    assert journal.since(7) == (step(7),)


@given(st.integers(0, WHOLE - 1), st.integers(1, HALF - 1))
def test_serials_go_round(serial: int, ahead: int) -> None:
    later = (serial + ahead) % WHOLE
    assert newer(later, serial)
    assert not newer(serial, later)
    assert not newer(serial, serial)
    assert latest(iter([serial, later, serial])) == later


def test_without_a_journal_nothing_is_written_down() -> None:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    zone.journal = Journal(10)
    zone.update((), [Record("a.mesos.", "A", "10.0.0.1", 60)])
    assert not zone.journal  # it is not loaded: nobody has a copy of it yet
