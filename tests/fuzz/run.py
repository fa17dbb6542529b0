"""Feeds a target with packets that atheris makes up, guided by what of our code they reach.

A target is a file target_NAME.py here, with two functions:

``seeds()``  gives some inputs to begin with,
``begin()``  gives a function that takes an input, and raises for what must not be.
"""

import argparse
import importlib
import sys
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


def main() -> None:
    """Run until the time is over or an input fails."""
    targets = sorted(path.stem.removeprefix("target_") for path in HERE.glob("target_*.py"))
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=str(__doc__).splitlines()[0])
    parser.add_argument("target", choices=targets)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long; 60 if not said")
    parser.add_argument("--runs", type=int, default=-1, help="inputs at most")
    parser.add_argument("--folder", type=Path, default=KEPT, help="where inputs are kept")
    parser.add_argument("--replay", type=Path, help="feed this one input, which failed before")
    options = parser.parse_args()
    try:
        import atheris  # there is none for some versions of Python
    except ImportError:
        sys.exit(f"atheris can't be had for Python {sys.version.split()[0]}; 3.11 to 3.13 have it")

    with atheris.instrument_imports(include=["pointsman"]):  # pyright: ignore[reportAttributeAccessIssue]
        target = importlib.import_module(f"target_{options.target}")
    take = target.begin()
    if options.replay:
        take(options.replay.read_bytes())
        return
    corpus = options.folder / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    flags = {
        "max_total_time": round(options.minutes * 60),
        "runs": options.runs,
        "timeout": HANG,
        "rss_limit_mb": MEMORY,
        "max_len": LONGEST,
        "artifact_prefix": f"{options.folder}/{options.target}-",
        "print_final_stats": 1,
    }
    words = [f"-{name}={value}" for name, value in flags.items()]
    atheris.Setup([sys.argv[0], *words, str(corpus)], take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
