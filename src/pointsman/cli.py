"""The command line.

Exit codes: 0 done, 1 it can't be done here (the message says why), 2 the command or the
configuration is wrong.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pointsman import __version__, log
from pointsman.config import Config, ConfigError, load
from pointsman.discovery.errors import Fatal, Transient

DEFAULT = "/etc/pointsman/pointsman.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ConfigError as error:
        for problem in error.problems:
            print(f"pointsman: {error.where}: {problem}", file=sys.stderr)
        return 2
    except (Fatal, Transient) as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        fatal, others = group.split((Fatal, Transient))
        if others is not None:
            raise others from group
        for leaf in _leaves(fatal) if fatal else ():
            print(f"pointsman: {leaf}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pointsman",
        description="Service discovery and layer-4 load balancing for Apache Mesos clusters.",
    )
    parser.add_argument("--version", action="version", version=f"pointsman {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="serve names and virtual servers on this node")
    _add_config(run)
    run.set_defaults(run=_run)

    check = commands.add_parser("check", help="read the configuration and say what is wrong")
    _add_config(check)
    check.set_defaults(run=_check)

    show = commands.add_parser(
        "show", help="print what the cluster, or a state in a file, leads to; changes nothing"
    )
    show.add_argument("what", choices=["zone", "vips", "cluster", "notes"])
    show.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="a /state, a reply to GET_STATE or a recorded stream (default: ask the masters)",
    )
    show.add_argument(
        "--config",
        type=Path,
        help=f"configuration (default: none with --state, else {DEFAULT})",
    )
    show.add_argument("--json", action="store_true", help="for programs rather than people")
    show.set_defaults(run=_show)

    flush = commands.add_parser(
        "flush", help="remove every virtual server, route and rule that Pointsman made here"
    )
    _add_config(flush)
    flush.set_defaults(run=_flush)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(DEFAULT),
        help="configuration file (default %(default)s)",
    )


# The commands import what they need: `show` must not wait for the network libraries.


def _run(options: argparse.Namespace) -> int:
    from pointsman.daemon import Daemon

    config = load(options.config)
    log.set_up(config.log.level)
    asyncio.run(Daemon(options.config, config).run())
    return 0


def _check(options: argparse.Namespace) -> int:
    from pointsman.source import check

    check(load(options.config).discovery)
    print(f"{options.config}: good")
    return 0


def _show(options: argparse.Namespace) -> int:
    from pointsman.show import show

    if options.state is None:
        from pointsman.source import once

        config = load(options.config or Path(DEFAULT))
        log.set_up("warning")
        cluster = asyncio.run(once(config.discovery))
    else:
        from pointsman.discovery.statefile import read

        config = load(options.config) if options.config else Config()
        cluster = read(options.state)
    print(show(options.what, cluster, config, as_json=options.json), end="")
    return 0


def _flush(options: argparse.Namespace) -> int:
    from pointsman.node import open_kernel

    with open_kernel(load(options.config)) as kernel:
        report = kernel.flush()
    print(f"removed {len(report.changes)} virtual servers; {report.surroundings} links, routes,")
    print("rules and settings were removed or set back")
    for failure in report.failures:
        print(f"pointsman: the kernel refused to {failure}", file=sys.stderr)
    return 1 if report.failures else 0
