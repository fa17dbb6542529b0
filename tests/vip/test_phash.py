import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.phash import phash2


@pytest.mark.parametrize(
    ("name", "range_", "expected"),
    [
        # What DC/OS's own tests and nodes showed, less the lowest address of their ranges.
        (b"foo.bar", 254, 37),
        (b"baz.qux", 254, 39),
        (b"foo.marathon", 254, 35),
        (b"de8b9dc86.marathon", 254, 90),
    ],
)
def test_known_values(name: bytes, range_: int, expected: int) -> None:
    assert phash2(name, range_) == expected


@given(st.binary(max_size=64), st.integers(1, 1 << 24))
def test_the_hash_stays_in_its_range(data: bytes, range_: int) -> None:
    assert 0 <= phash2(data, range_) < range_
