from pointsman.discovery.errors import Fatal, Transient


def test_the_two_kinds_are_told_apart() -> None:
    assert not issubclass(Transient, Fatal)
    assert not issubclass(Fatal, Transient)
