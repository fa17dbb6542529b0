from pathlib import Path

import pytest

from pointsman.discovery.errors import Fatal
from pointsman.dns.transfer import Transfer
from pointsman.dns.zone import Mirror, Soa, Zone, Zones
from pointsman.secondaries import keep_journals, keys, notices

KEY = 'key "transfers" { algorithm hmac-sha256; secret "c2VjcmV0"; };\n'


def zones() -> Zones:
    zone = Zone("mesos.", Soa("ns1.mesos.", "root.ns1.mesos."), 60)
    return Zones(zone, mirrors=[Mirror("alias.", zone)])


def test_keys_come_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY)
    assert [key.name for key in keys(str(file))] == ["transfers."]
    assert keys("") == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"\xff", "is not UTF-8 text"),
        (b"\n\nnonsense", 'line 3: is not key "NAME"'),
    ],
)
def test_a_file_that_can_not_be_used_is_named(
    content: bytes | None, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Fatal) as error:
        keys(str(file))
    assert str(error.value).startswith(f"dns.transfer.key_file: {file}: {why}")


def test_changes_are_written_down_where_they_may_be_asked_for() -> None:
    for settings, wanted in (
        (Transfer(), False),
        (Transfer(allow=("10.0.0.0/8",)), True),
        (Transfer(key_file="x"), True),
        (Transfer(allow=("10.0.0.0/8",), journal=0), False),
    ):
        found = zones()
        keep_journals(found, settings)
        assert all((zone.journal is not None) == wanted for zone in found)


def test_secondaries_are_told_of_zones_and_mirrors(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    settings = Transfer(
        key_file=str(tmp_path / "keys"), notify=("10.0.0.2", "10.0.0.3:5353", "[fd00::1]:53")
    )
    found = notices(zones(), settings)
    assert found.secondaries == (("10.0.0.2", 53), ("10.0.0.3", 5353), ("fd00::1", 53))
    assert [zone.apex for zone in found.zones] == ["mesos.", "alias."]
    assert found.key is not None
