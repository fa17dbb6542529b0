"""What the configuration says of secondaries: keys from their file, journals, who is told."""

from pathlib import Path

from pointsman.discovery.errors import Fatal
from pointsman.dns.forward import parse as address
from pointsman.dns.journal import Journal
from pointsman.dns.notify import Notices
from pointsman.dns.transfer import Transfer
from pointsman.dns.tsig import Key, parse
from pointsman.dns.zone import Zones


def keys(file: str) -> tuple[Key, ...]:
    """Return the keys in a file; raises Fatal, which names file and line, never a secret."""
    if not file:
        return ()
    try:
        return parse(Path(file).read_text())
    except OSError as error:
        raise Fatal(f"dns.transfer.key_file: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Fatal(f"dns.transfer.key_file: {file}: is not UTF-8 text") from error
    except ValueError as error:
        raise Fatal(f"dns.transfer.key_file: {file}: {error}") from error


def keep_journals(zones: Zones, transfer: Transfer) -> None:
    """Have zones write their changes down, where anybody may ask for them."""
    if transfer.enabled and transfer.journal:
        for zone in zones:
            zone.journal = Journal(transfer.journal)


def notices(zones: Zones, transfer: Transfer) -> Notices:
    """Return who is told of which zones; raises Fatal as `keys` does."""
    to = tuple(address(one) for one in transfer.notify)
    found = keys(transfer.key_file)
    return Notices(tuple(zones.served), to, found[0] if found else None)
