from pointsman.discovery.seen import Seen


def test_each_count_is_its_own() -> None:
    one, two = Seen(), Seen()
    one.events["TaskAdded"] += 1
    assert (two.events["TaskAdded"], two.readings["stream"], two.mode) == (0, 0, "")
