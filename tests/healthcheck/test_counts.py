from pointsman.healthcheck.counts import Counts, Spread
from pointsman.healthcheck.model import Outcome


def test_durations_are_counted_up_to_each_bound() -> None:
    spread = Spread()
    for seconds in (0.001, 0.003, 0.3, 60):
        spread.add(seconds)
    found = dict(spread.cumulative())
    assert (found["0.001"], found["0.005"], found["0.5"], found["5.0"], found["+Inf"]) == (
        1, 2, 3, 3, 4,
    )  # fmt: skip
    assert (round(spread.sum, 3), spread.most) == (60.304, 60)


def test_probes_are_counted_by_kind_and_by_what_they_found() -> None:
    counts = Counts()
    counts.probed("tcp", Outcome.GOOD, 0.01)
    counts.probed("tcp", Outcome.GOOD, 0.01)
    counts.probed("http", Outcome.SLOW, 2.0)
    assert counts.outcomes == {("tcp", Outcome.GOOD): 2, ("http", Outcome.SLOW): 1}
    assert dict(counts.seconds["http"].cumulative())["2.0"] == 1


def test_what_began_early_by_a_rounding_is_not_late() -> None:
    counts = Counts()
    counts.late(-0.001)
    assert (counts.lateness.sum, counts.lateness.cumulative()[-1]) == (0, ("+Inf", 1))
