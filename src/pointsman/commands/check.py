"""`pointsman check`: the configuration, and then the node."""

import argparse

from pointsman.commands.base import (
    DONE,
    FAILED,
    WRONG,
    Commands,
    add_config,
    add_json,
    colours,
    command,
    print_json,
)
from pointsman.config import ConfigError, load
from pointsman.preflight_finding import Finding, counted, error, text

EXITS = {
    DONE: "nothing is wrong, or there are warnings alone",
    FAILED: "something keeps Pointsman from its work here",
    WRONG: "the command or the configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "check",
        run,
        summary="say what is wrong with the configuration, and with this node",
        more="It looks at files, rights, ports, the kernel and its settings, and asks masters and "
        "ZooKeeper; each finding says what to do about it. It changes nothing. "
        "Run it as the user that Pointsman runs as; as root it sees who holds a port.",
        examples=[
            ("pointsman check", "before Pointsman is started"),
            ("pointsman check --config ./p.toml --offline", "where no master can be reached"),
            ("pointsman check --json", "for a configuration management"),
        ],
        exits=EXITS,
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--offline", action="store_true", help="ask nobody but this host: no masters, no ZooKeeper"
    )


def run(options: argparse.Namespace) -> int:
    """Check."""
    try:
        config = load(options.config)
    except ConfigError as wrong:
        if not options.json:
            raise
        problems = [error("configuration", one, "mend the key") for one in wrong.problems]
        _print_json(options, problems)
        return WRONG
    from pointsman.node_facts import facts
    from pointsman.preflight import judge

    findings = judge(config, facts(config, offline=options.offline))
    count = counted(findings)
    if options.json:
        _print_json(options, findings)
    else:
        print(f"{options.config}: good")
        print(text(findings, colours=colours()), end="")
        print(", ".join(_several(count[level], level) for level in ("error", "warning")))
    return FAILED if count["error"] else DONE


def _several(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _print_json(options: argparse.Namespace, findings: list[Finding] | tuple[Finding, ...]) -> None:
    print_json({"file": str(options.config), **counted(findings), "findings": findings})
