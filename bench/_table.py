"""Prints the comparisons of all measurements as one table, with the machine and the date."""

import os
import platform
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from _measure import Row


def figure(value: float) -> str:
    """Return a value with some three digits."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown."""
    cells = [
        ("", "Pointsman", "peer", "the peer's", "times Pointsman's"),
        ("---",) * 5,
        *(
            (
                row.what,
                f"{figure(row.ours)} {row.unit}",
                row.peer,
                figure(row.theirs),
                figure(row.ratio),
            )
            for row in rows
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def machine() -> str:
    """Return what this was measured on, and when."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()},"
        f" Linux {platform.release()}, Python {platform.python_version()},"
        f" {datetime.now(UTC):%Y-%m-%d}"
    )


if __name__ == "__main__":
    found = Path(sys.argv[1]).read_bytes().splitlines()
    print(f"\n{machine()}\n\n{table([msgspec.json.decode(line, type=Row) for line in found])}")
