"""What commands have in common: help that teaches, where the configuration is, how JSON is printed.

A command imports what it needs when it runs: `show` must not wait for the network libraries.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from pointsman import terminal
from pointsman.config import Config, load

if TYPE_CHECKING:
    from pointsman.discovery.model import Cluster

DEFAULT = Path("/etc/pointsman/pointsman.toml")

DONE, FAILED, WRONG = 0, 1, 2
"""Exit codes: done; it can't be done here; the command or the configuration is wrong."""
INTERRUPTED = 130
"""As shells have it for SIGINT."""


class UsageError(Exception):
    """The options of a command don't go together."""


Commands: TypeAlias = "argparse._SubParsersAction[Command]"  # noqa: SLF001 - its only name
Run: TypeAlias = Callable[[argparse.Namespace], int]


class Command(argparse.ArgumentParser):
    """The parser of a command, which knows what its exit codes mean."""

    exits: Mapping[int, str] = {}


def command(
    commands: Commands,
    name: str,
    run: Run,
    *,
    summary: str,
    more: str = "",
    examples: Sequence[tuple[str, str]],
    exits: Mapping[int, str],
) -> Command:
    """Add a command; ``examples`` are each what is typed and what that does."""
    width = max(len(typed) for typed, _ in examples)
    lines = [
        "examples:",
        *(f"  {typed.ljust(width)}   # {told}" for typed, told in examples),
        "",
        "exit codes:",
        *(f"  {code}  {told}" for code, told in exits.items()),
    ]
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.{f' {more}' if more else ''}",
        epilog="\n".join(lines),
        formatter_class=_Help,
    )
    parser.exits = exits
    parser.set_defaults(run=run)
    return parser


class _Help(argparse.HelpFormatter):
    """Keeps the lines of examples and exit codes, and fills everything else."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Have a command take ``--config FILE``."""
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT,
        metavar="FILE",
        help="configuration file (default %(default)s)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Have a command take ``--json``."""
    parser.add_argument("--json", action="store_true", help="for programs rather than people")


def add_state(parser: argparse.ArgumentParser) -> None:
    """Have a command be about the cluster, or about a state in a file."""
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="a /state, a reply to GET_STATE or a recorded stream (default: ask the masters)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"configuration file (default: none with --state, else {DEFAULT})",
    )
    add_json(parser)


def cluster(options: argparse.Namespace) -> "tuple[Cluster, Config]":
    """Return the cluster that a command is about, and the configuration."""
    if options.state is None:
        import asyncio

        from pointsman import log
        from pointsman.source import once

        config = load(options.config or DEFAULT)
        log.set_up("warning")
        return asyncio.run(once(config.discovery)), config
    from pointsman.discovery.statefile import read

    return read(options.state), load(options.config) if options.config else Config()


def seconds(word: str) -> float:
    """Read an option that is a number of seconds above 0."""
    found = float(word)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{word} is not a number of seconds above 0")
    return found


def print_json(value: Any) -> None:
    """Print a value as JSON that people can read, too."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def colours() -> bool:
    """Tell whether standard output takes colours."""
    return terminal.has_colours(sys.stdout, os.environ)
