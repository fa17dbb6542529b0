from itertools import islice

from pointsman.discovery.backoff import delays


def test_delays_double_up_to_the_most() -> None:
    seen = list(islice(delays(1.0, 8.0, seed=1), 6))
    for delay, middle in zip(seen, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0.8 * middle <= delay <= 1.2 * middle


def test_two_nodes_do_not_beat_together() -> None:
    assert list(islice(delays(1.0, 8.0, seed=1), 5)) != list(islice(delays(1.0, 8.0, seed=2), 5))
