"""`pointsman run`: serves on this node."""

import argparse

from pointsman.commands.base import DONE, FAILED, WRONG, Commands, add_config, command
from pointsman.config import load

EXITS = {
    DONE: "ended by SIGTERM or SIGINT; the kernel goes on forwarding",
    FAILED: "can't serve here: a port is taken, a right or a part of the kernel is missing",
    WRONG: "the command or the configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "run",
        run,
        summary="serve names and virtual servers on this node",
        more="It goes on until SIGTERM or SIGINT, and reads its configuration again at SIGHUP; "
        "one that can't be used is refused, and what serves goes on. "
        "Its log goes to standard error.",
        examples=[
            ("pointsman run", "by /etc/pointsman/pointsman.toml"),
            ("pointsman run --config ./p.toml", "by another file"),
            ("POINTSMAN_LOG__LEVEL=debug pointsman run", "with one key from the environment"),
        ],
        exits=EXITS,
    )
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    import asyncio

    from pointsman import log
    from pointsman.daemon import Daemon

    config = load(options.config)
    log.set_up(config.log.level, config.log.format)
    asyncio.run(Daemon(options.config, config).run())
    return DONE
