import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.discovery.errors import Transient
from pointsman.discovery.recordio import Records


def framed(*records: bytes) -> bytes:
    return b"".join(b"%d\n%b" % (len(record), record) for record in records)


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 2500), max_size=12))
def test_records_come_whole_wherever_the_chunks_are_cut(
    records: list[bytes], cuts: list[int]
) -> None:
    stream = framed(*records)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = Records()
    found: list[bytes] = []
    for begin, end in itertools.pairwise(places):
        found += map(b"".join, reader.feed(stream[begin:end]))
    assert found == records
    assert not reader.started


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=3), st.data())
def test_a_stream_that_stops_in_a_record_gives_the_others(
    records: list[bytes], data: st.DataObject
) -> None:
    stream = framed(*records)
    stop = data.draw(st.integers(1, len(stream) - 1))
    reader = Records()
    found = [b"".join(record) for record in reader.feed(stream[:stop])]
    assert found == records[: len(found)]
    assert reader.started == (stream[:stop] != framed(*found))


@pytest.mark.parametrize(
    "noise", [b"{}", b"\n", b"-1\n", b"1x\n", b"9999999999999\n", b"999999999999\n", b"HTTP/1.1"]
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_no_length_is_a_transient_error(noise: bytes, at_once: bool) -> None:
    reader = Records()
    stream = framed(b"one") + noise
    chunks = [stream] if at_once else [bytes([byte]) for byte in stream]
    records = (b"".join(record) for chunk in chunks for record in reader.feed(chunk))
    assert next(records) == b"one"
    with pytest.raises(Transient, match="the stream has"):
        next(records)
