"""The measurements are told in one table."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"


def test_comparisons_become_a_table_with_the_machine_and_the_date(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    code = "import _measure; _measure.versus('one', 'ms', 0.125, {'keepalived': 50, 'peer': 0.5})"
    for variables in ({}, {"POINTSMAN_BENCH_ROWS": str(rows)}):
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(BENCH), **variables},
            check=True,
        )
    command = [sys.executable, str(BENCH / "_table.py"), str(rows)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    machine, _, table = printed.strip().partition("\n\n")
    assert "cores of" in machine
    assert table.splitlines() == [
        "|  | Pointsman | peer | the peer's | times Pointsman's |",
        "| --- | --- | --- | --- | --- |",
        "| one | 0.12 ms | keepalived | 50.0 | 400 |",
        "| one | 0.12 ms | peer | 0.50 | 4.00 |",
    ]


def test_the_script_runs_every_measurement() -> None:
    listed = subprocess.run(
        [ROOT / "scripts/bench", "--list"], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[0] for line in listed.splitlines()}
    assert names == {p.stem for p in BENCH.glob("[a-z]*.py")} - {"queries"} | {"dns"}
    run = (ROOT / "scripts/bench").read_text().partition("for name in ")[2].partition(";")[0]
    assert set(run.split()) == {p.stem for p in BENCH.glob("[a-z]*.py")} - {"states"}
