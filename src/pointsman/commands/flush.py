"""`pointsman flush`: removes what Pointsman made in the kernel."""

import argparse
import sys
from pathlib import Path

from pointsman.commands.base import (
    DONE,
    FAILED,
    WRONG,
    Commands,
    add_config,
    add_json,
    command,
    print_json,
)
from pointsman.config import load

EXITS = {
    DONE: "all of it is gone",
    FAILED: "some of it could not be removed, or the kernel can't be programmed from here",
    WRONG: "the command or the configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "flush",
        run,
        summary="remove every virtual server, route and rule that Pointsman made here",
        more="What others made stays, and settings are set back. Stop Pointsman first: "
        "one that runs makes all of it again.",
        examples=[
            ("pointsman flush", "before Pointsman is removed from a node"),
            ("pointsman flush --json", "with a line for each change"),
        ],
        exits=EXITS,
    )
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Remove it."""
    from pointsman.node import open_kernels
    from pointsman.vip import namespaces

    config = load(options.config)
    there, _ = namespaces.read(Path(config.vip.namespace_folder), config.vip.namespaces)
    with open_kernels(config) as kernels:
        complaints = kernels.follow(there)
        report = kernels.flush()
    failures = [f"the kernel refused to {failure}" for failure in report.failures]
    problems = [*failures, *complaints, *report.complaints]
    if options.json:
        removed = [str(change) for change in report.changes]
        print_json({"removed": removed, "others": report.surroundings, "problems": problems})
    else:
        print(
            f"removed {len(report.changes)} virtual servers; {report.surroundings} links, routes,"
        )
        print("rules and settings were removed or set back")
        for problem in problems:
            print(f"pointsman: {problem}", file=sys.stderr)
    return FAILED if report.failures or report.complaints else DONE
