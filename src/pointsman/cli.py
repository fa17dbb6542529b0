"""The command line: which commands there are, and what becomes of what goes wrong in them."""

import sys
from collections.abc import Sequence

from pointsman import __version__
from pointsman.commands import (
    announce,
    check,
    completion,
    flush,
    import_,
    resolve,
    run,
    show,
    status,
    version,
)
from pointsman.commands.base import DONE, FAILED, INTERRUPTED, WRONG, Command, UsageError
from pointsman.config import ConfigError
from pointsman.discovery.errors import Fatal, Transient

COMMANDS = (run, check, show, resolve, status, flush, import_, announce, completion, version)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return WRONG
    except ConfigError as error:
        for problem in error.problems:
            print(f"pointsman: {error.where}: {problem}", file=sys.stderr)
        return WRONG
    except (Fatal, Transient) as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return FAILED
    except BaseExceptionGroup as group:
        fatal, others = group.split((Fatal, Transient))
        if others is not None:
            raise others from group
        for leaf in _leaves(fatal) if fatal else ():
            print(f"pointsman: {leaf}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def parser() -> Command:
    """Return the parser of the whole command line."""
    found = Command(
        prog="pointsman",
        description="Service discovery and layer-4 load balancing for Apache Mesos clusters.",
        epilog="`pointsman COMMAND --help` has examples and exit codes of each.",
    )
    found.add_argument("--version", action="version", version=f"pointsman {__version__}")
    commands = found.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for one in COMMANDS:
        one.add(commands)
    return found
