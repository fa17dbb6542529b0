from pointsman.dns.counts import BOUNDS, Counts, Durations


def test_the_place_to_count_at_stays_the_same() -> None:
    counts = Counts()
    cell = counts.cell("udp", 1, "answered")
    cell[0] += 2
    counts.cell("udp", 1, "answered")[0] += 1
    counts.cell("tcp", 28, "nodata")[0] += 5
    assert counts.queries[("udp", "A", "answered")] == [3]
    assert (counts.total(), counts.total("nodata")) == (8, 5)


def test_clients_can_not_make_up_series() -> None:
    counts = Counts()
    for number in range(65_536):
        counts.cell("udp", number, "nodata")[0] += 1
    assert len(counts.queries) < 20
    assert counts.queries[("udp", "other", "nodata")][0] > 65_000


def test_durations_fall_into_the_first_bucket_that_holds_them() -> None:
    found = Durations()
    found.observe(0.0, 3)
    found.observe(BOUNDS[0])
    found.observe(BOUNDS[0] * 1.01)
    found.observe(1e9)
    assert found.counts[:2] == [4, 1]
    assert found.counts[-1] == 1
    assert sum(found.counts) == 6
