"""`pointsman resolve`: what a name resolves to, and why."""

import argparse

from pointsman.commands.base import (
    DONE,
    FAILED,
    WRONG,
    Commands,
    add_state,
    cluster,
    command,
    print_json,
)

EXITS = {
    DONE: "the name has an answer",
    FAILED: "it has none, or the cluster can't be read",
    WRONG: "the command or the configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "resolve",
        run,
        summary="print what a name resolves to, and which tasks are why",
        more="It asks the masters, not a DNS server, and says what was left out as well.",
        examples=[
            ("pointsman resolve web.marathon.mesos", "all that the name has"),
            ("pointsman resolve _web._tcp.marathon.mesos SRV", "of one type"),
            ("pointsman resolve web.marathon.mesos --state state.json", "of a state in a file"),
        ],
        exits=EXITS,
    )
    parser.add_argument("name", metavar="NAME", help="with or without a dot at its end")
    parser.add_argument(
        "type",
        metavar="TYPE",
        nargs="?",
        default="ANY",
        type=str.upper,
        help="as A, AAAA, SRV, PTR (default: all that the name has)",
    )
    add_state(parser)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pointsman.resolve import explain, text

    found = explain(options.name, options.type, *cluster(options))
    if options.json:
        print_json(found)
    else:
        print(text(found), end="")
    return DONE if found.answer else FAILED
