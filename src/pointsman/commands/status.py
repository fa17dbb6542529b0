"""`pointsman status`: what goes through the VIPs here."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from pointsman import terminal
from pointsman.commands.base import (
    DONE,
    FAILED,
    INTERRUPTED,
    WRONG,
    Commands,
    add_config,
    add_json,
    colours,
    command,
    print_json,
    seconds,
)
from pointsman.config import load

EXITS = {
    DONE: "printed; --watch ends so at Ctrl-C",
    FAILED: "no Pointsman answers here",
    WRONG: "the command or the configuration is wrong",
    INTERRUPTED: "interrupted before it was printed",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "status",
        run,
        summary="print each VIP of the Pointsman that runs here, and what goes through it",
        more="Each real server has its state, why it is not live, its weight and its connections.",
        examples=[
            ("pointsman status", "once"),
            ("pointsman status --watch", "again every two seconds, with what changed"),
            ("pointsman status --watch 10 --json", "a line of JSON every ten seconds"),
        ],
        exits=EXITS,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--watch",
        type=seconds,
        nargs="?",
        const=2.0,
        metavar="SECONDS",
        help="print it again and again, in place on a terminal, until Ctrl-C (default 2)",
    )


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pointsman.client import fetch

    config = load(options.config)

    def look() -> dict[str, Any]:
        return fetch(config, "/v1/status")

    if options.watch is not None:
        with suppress(KeyboardInterrupt):
            _watch(look, lambda: time.sleep(options.watch), as_json=options.json)
        return DONE
    found = look()
    if options.json:
        print_json(found)
    else:
        from pointsman.status import page

        print(page(found, colours=colours()), end="")
    return DONE


def _watch(look: Callable[[], dict[str, Any]], wait: Callable[[], None], *, as_json: bool) -> None:
    """Show it until interrupted."""
    if not as_json:
        from pointsman.status_watch import watch

        def show(shown: str) -> None:
            print(shown, end="", flush=True)

        redraw = terminal.is_terminal(sys.stdout, os.environ)
        watch(look, wait, show, redraw=redraw, colours=colours())
    while as_json:
        print(msgspec.json.encode(look()).decode(), flush=True)
        wait()
