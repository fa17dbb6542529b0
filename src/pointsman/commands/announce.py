"""`pointsman announce`: VIPs for the routers around."""

import argparse
import asyncio
import shlex
from pathlib import Path

from pointsman.commands.base import (
    DONE,
    FAILED,
    WRONG,
    Commands,
    UsageError,
    add_config,
    command,
    print_json,
    seconds,
)
from pointsman.config import load

EXITS = {
    DONE: "ended by SIGTERM or SIGINT, or --once has printed",
    FAILED: "Pointsman does not tell its VIPs, or what is to be written can't be",
    WRONG: "the command or the configuration is wrong",
}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "announce",
        run,
        summary="announce VIPs to the routers around, by ExaBGP or BIRD",
        more="It asks the Pointsman that runs here which VIPs it serves, and goes on until "
        "SIGTERM or SIGINT.",
        examples=[
            ("pointsman announce --once", "what would be announced now"),
            ("pointsman announce --community 65000:100", "run by ExaBGP, as its process"),
            (
                "pointsman announce --format bird --output vips.conf",
                "a file that BIRD includes",
            ),
        ],
        exits=EXITS,
    )
    add_config(parser)
    _add_choice(parser)
    parser.add_argument(
        "--hold",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="withdraw everything after Pointsman was silent or not ready so long (default 60)",
    )
    parser.add_argument(
        "--interval",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="from one question to the next (default 1)",
    )
    parser.add_argument(
        "--once", action="store_true", help="print what would be announced now, and end"
    )
    parser.add_argument(
        "--json", action="store_true", help="with --once: for programs rather than people"
    )
    _add_routers(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=["exabgp", "bird"],
        default="exabgp",
        help="instructions for the ExaBGP that runs this, or a file for BIRD (default %(default)s)",
    )
    parser.add_argument(
        "--ranges", action="store_true", help="announce whole ranges rather than each VIP in them"
    )
    parser.add_argument(
        "--family",
        type=int,
        choices=[4, 6],
        help="announce VIPs of IPv4 or IPv6 alone (default: both; to ExaBGP those of IPv6 "
        "if --next-hop has an address for them)",
    )


def _add_routers(parser: argparse.ArgumentParser) -> None:
    exabgp = parser.add_argument_group("for ExaBGP")
    exabgp.add_argument(
        "--next-hop",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="this host's address, once for each family (default self: that of the session)",
    )
    exabgp.add_argument(
        "--community",
        action="append",
        default=[],
        metavar="COMMUNITY",
        help="as in 65000:100, 65000:1:2 or no-export; may be repeated",
    )
    exabgp.add_argument("--med", type=int, metavar="NUMBER", help="multi-exit discriminator")
    bird = parser.add_argument_group("for BIRD")
    bird.add_argument(
        "--output", type=Path, metavar="FILE", help="what BIRD's configuration includes"
    )
    bird.add_argument(
        "--reload",
        default="",
        metavar="COMMAND",
        help='run after a change of the file, as in "birdc configure"',
    )


def run(options: argparse.Namespace) -> int:
    """Announce."""
    from pointsman import announce, log
    from pointsman.rules import ranges
    from pointsman.vip.announce import attributes, bird, instructions

    to_bird = options.format == "bird"
    if to_bird and not (options.output or options.once):
        raise UsageError("--format bird writes a file: name it by --output")
    if options.json and not options.once:
        raise UsageError("--json is for --once: what is announced goes to ExaBGP or into a file")
    said = attributes(options.next_hop, options.community, options.med)
    config = load(options.config)
    log.set_up(config.log.level, config.log.format)
    settings = announce.Settings(
        announce.address(config),
        (options.family,) if options.family else (4, 6) if to_bird else said.families,
        ranges(config) if options.ranges else (),
        options.hold,
        options.interval,
    )
    if options.once:
        found = asyncio.run(announce.once(settings))
        lines = [f"{line}\n" for line in instructions(frozenset(), found, said)]
        if options.json:
            print_json({"routes": sorted(map(str, found))})
        else:
            print(bird(found) if to_bird else "".join(lines), end="")
    elif to_bird:
        asyncio.run(announce.by_bird(settings, options.output, shlex.split(options.reload)))
    else:
        asyncio.run(announce.by_exabgp(settings, said))
    return DONE
