"""Feeds a target with inputs made up to reach ever more of our code.

A target is a file target_NAME.py here, with two functions:

``seeds()``  gives some inputs to begin with,
``begin()``  gives a function that takes an input, and raises for what must not be.

Or it has the former alone, and beside it a file target_NAME.c, for libFuzzer.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".lab/fuzz"
"""Inputs that reached something new, for the next run to go on with, and those that failed."""

HANG = 5
"""Seconds for one input."""

MEMORY = 1_024
"""Megabytes of this process."""

LONGEST = 1_500
"""Octets of an input."""

NATIVE = HERE.parents[1] / "dns/native"
COMPILER = (
    "clang-14", "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror",
    "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all",
    f"-I{NATIVE}", f"-I{HERE.parent}/dns/native", f"{NATIVE}/answer.c", f"{NATIVE}/table.c",
)  # fmt: skip


def main() -> None:
    """Run until the time is over or an input fails."""
    targets = sorted(_spoken(path) for path in HERE.glob("target_*.py"))
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=str(__doc__).splitlines()[0])
    parser.add_argument("target", choices=targets)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long; 60 if not said")
    parser.add_argument("--runs", type=int, default=-1, help="inputs at most")
    parser.add_argument("--folder", type=Path, default=KEPT, help="where inputs are kept")
    parser.add_argument("--replay", type=Path, help="feed this one input, which failed before")
    options = parser.parse_args()
    name = f"target_{options.target.replace('-', '_')}"
    corpus = options.folder / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    flags = {
        "max_total_time": round(options.minutes * 60),
        "runs": options.runs,
        "timeout": HANG,
        "rss_limit_mb": MEMORY,
        "max_len": LONGEST,
        "artifact_prefix": f"{options.folder}/{options.target}-",
        "print_final_stats": 1,
    }
    words = [f"-{flag}={value}" for flag, value in flags.items()]
    if (HERE / f"{name}.c").exists():
        program = options.folder / f"{options.target}.built"
        subprocess.run([*COMPILER, HERE / f"{name}.c", "-o", program], check=True)
        if options.replay:
            os.execv(program, [program, options.replay])
        _keep(corpus, importlib.import_module(name).seeds())
        os.execv(program, [program, *words, corpus])
    try:
        import atheris  # there is none for some versions of Python
    except ImportError:
        sys.exit(f"atheris can't be had for Python {sys.version.split()[0]}; 3.11 to 3.13 have it")

    with atheris.instrument_imports(include=["pointsman"]):  # pyright: ignore[reportAttributeAccessIssue]
        target = importlib.import_module(name)
    take = target.begin()
    if options.replay:
        take(options.replay.read_bytes())
        return
    _keep(corpus, target.seeds())
    atheris.Setup([sys.argv[0], *words, str(corpus)], take)
    atheris.Fuzz()


def _spoken(path: Path) -> str:
    return path.stem.removeprefix("target_").replace("_", "-")


def _keep(corpus: Path, seeds: Iterable[bytes]) -> None:
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main()
