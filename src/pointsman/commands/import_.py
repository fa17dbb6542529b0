"""`pointsman import`: another program's configuration as one of ours."""

import argparse
import sys
from pathlib import Path

from pointsman.commands.base import DONE, FAILED, WRONG, Commands, add_json, command, print_json
from pointsman.config import ConfigError
from pointsman.discovery.errors import Fatal

EXITS = {
    DONE: "printed; remarks on standard error say what the operator must know",
    FAILED: "the file can't be read",
    WRONG: "the command or the other program's configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "import",
        run,
        summary="print the configuration that is equal to another program's",
        more="It changes nothing; what has no equal is told on standard error.",
        examples=[
            ("pointsman import mesos-dns config.json > p.toml", "take a mesos-dns's over"),
            ("pointsman import mesos-dns config.json --json", "with the remarks"),
        ],
        exits=EXITS,
    )
    parser.add_argument("program", choices=["mesos-dns"], help="whose configuration it is")
    parser.add_argument("file", type=Path, metavar="FILE", help="its configuration")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pointsman.migrate import from_mesos_dns

    try:
        found = from_mesos_dns(options.file.read_text())
    except OSError as error:
        raise Fatal(f"{options.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Fatal(f"{options.file}: is not UTF-8 text") from error
    except ConfigError as error:
        raise ConfigError(str(options.file), error.problems) from error
    if options.json:
        print_json(found)
        return DONE
    print(found.toml, end="")
    for remark in found.remarks:
        print(f"pointsman: {remark}", file=sys.stderr)
    return DONE
