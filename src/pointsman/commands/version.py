"""`pointsman version`: says what this is."""

import argparse
import platform

from pointsman import __version__
from pointsman.commands.base import DONE, WRONG, Commands, add_json, command, print_json

EXITS = {DONE: "printed", WRONG: "the command is wrong"}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "version",
        run,
        summary="print the versions of Pointsman, of Python and of the kernel",
        examples=[("pointsman version --json", "for a report of a problem")],
        exits=EXITS,
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    found = {
        "version": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
    }
    if options.json:
        print_json(found)
    else:
        print(f"pointsman {found['version']} (Python {found['python']}, Linux {found['kernel']})")
    return DONE
