import pytest

from pointsman.dns.records import Record
from pointsman.dns.static import parse

FILE = """
# what does not run on Mesos
db              A     10.9.9.9   # the old one
db        300   AAAA  FD00::9
_sql._tcp       SRV   0 1 5432 db
5.9.9.10.in-addr.arpa. PTR db
info            TXT   "v=1 x"
"""


def test_a_file_is_read_line_by_line() -> None:
    assert list(parse(FILE, "mesos.", 60)) == [
        Record("db.mesos.", "A", "10.9.9.9", 60),
        Record("db.mesos.", "AAAA", "FD00::9", 300),
        Record("_sql._tcp.mesos.", "SRV", "0 1 5432 db.mesos.", 60),
        Record("5.9.9.10.in-addr.arpa.", "PTR", "db.mesos.", 60),
        Record("info.mesos.", "TXT", '"v=1 x"', 60),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("db A", "is not NAME"),
        ("db CNAME web", "'CNAME' is none of A"),
        ("db A nonsense", "'nonsense' is no data of type A"),
        ("db SRV 0 1 db", "is no data of type SRV"),
        (f"{'x' * 64} A 10.0.0.1", "longer than 63"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: .*{why}"):
        list(parse(f"\n{line}\n", "mesos.", 60))
