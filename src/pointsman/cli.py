"""The command line.

Exit codes: 0 done, 1 it can't be done here (the message says why), 2 the command or the
configuration is wrong.
"""

import argparse
import asyncio
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pointsman import __version__, log
from pointsman.config import Config, ConfigError, load
from pointsman.discovery.errors import Fatal, Transient
from pointsman.discovery.model import Cluster

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
        "show",
        help="print what the cluster, or a state in a file, leads to; changes nothing",
        description="Prints what the cluster, or a state in a file, leads to; changes nothing. "
        "Without --state, health is what the Pointsman that runs here found.",
    )
    show.add_argument("what", choices=["zone", "vips", "diff", "health", "cluster", "notes"])
    _add_state(show)
    show.add_argument(
        "--against",
        metavar="URL",
        help="print how the zone differs from that of a mesos-dns: http://HOST:8123 (zone only)",
    )
    show.set_defaults(run=_show)

    status = commands.add_parser(
        "status", help="print each VIP of the Pointsman that runs here, and what goes through it"
    )
    _add_config(status)
    status.add_argument("--json", action="store_true", help="for programs rather than people")
    status.set_defaults(run=_status)

    resolve = commands.add_parser(
        "resolve", help="print what a name resolves to, and which tasks are why"
    )
    resolve.add_argument("name", metavar="NAME")
    resolve.add_argument("type", metavar="TYPE", nargs="?", default="ANY", type=str.upper)
    _add_state(resolve)
    resolve.set_defaults(run=_resolve)

    import_ = commands.add_parser(
        "import", help="print the configuration that is equal to another program's"
    )
    import_.add_argument("program", choices=["mesos-dns"])
    import_.add_argument("file", type=Path, metavar="FILE", help="its configuration")
    import_.set_defaults(run=_import)

    _add_announce(
        commands.add_parser(
            "announce", help="announce VIPs to the routers around, by ExaBGP or BIRD"
        )
    )

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


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="a /state, a reply to GET_STATE or a recorded stream (default: ask the masters)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help=f"configuration (default: none with --state, else {DEFAULT})",
    )
    parser.add_argument("--json", action="store_true", help="for programs rather than people")


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{word} is not a number of seconds above 0")
    return seconds


def _add_announce(announce: argparse.ArgumentParser) -> None:
    _add_config(announce)
    announce.add_argument(
        "--format",
        choices=["exabgp", "bird"],
        default="exabgp",
        help="instructions for the ExaBGP that runs this, or a file for BIRD (default %(default)s)",
    )
    announce.add_argument(
        "--ranges", action="store_true", help="announce whole ranges rather than each VIP in them"
    )
    announce.add_argument(
        "--family",
        type=int,
        choices=[4, 6],
        help="announce VIPs of IPv4 or IPv6 alone (default: both; to ExaBGP those of IPv6 "
        "if --next-hop has an address for them)",
    )
    announce.add_argument(
        "--hold",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="withdraw everything after Pointsman was silent or not ready so long (default 60)",
    )
    announce.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="from one question to the next (default 1)",
    )
    announce.add_argument(
        "--once", action="store_true", help="print what would be announced now, and end"
    )
    exabgp = announce.add_argument_group("for ExaBGP")
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
    bird = announce.add_argument_group("for BIRD")
    bird.add_argument(
        "--output", type=Path, metavar="FILE", help="what BIRD's configuration includes"
    )
    bird.add_argument(
        "--reload",
        default="",
        metavar="COMMAND",
        help='run after a change of the file, as in "birdc configure"',
    )
    announce.set_defaults(run=_announce)


# The commands import what they need: `show` must not wait for the network libraries.


def _run(options: argparse.Namespace) -> int:
    from pointsman.daemon import Daemon

    config = load(options.config)
    log.set_up(config.log.level, config.log.format)
    asyncio.run(Daemon(options.config, config).run())
    return 0


def _check(options: argparse.Namespace) -> int:
    from pointsman.dns.endpoints import parse
    from pointsman.dns.listening import absent
    from pointsman.forwarding import forwarding
    from pointsman.front import secret
    from pointsman.generation import own_records
    from pointsman.secondaries import keys
    from pointsman.source import check
    from pointsman.token import read

    config = load(options.config)
    check(config.discovery)
    read(config.http.token_file)
    tuple(own_records(config, ()))
    keys(config.dns.transfer.key_file)
    secret(config.dns.cookie_secret_file)
    forwarding(config.dns)
    for key, value in (
        *((f"dns.listen[{at}]", value) for at, value in enumerate(config.dns.listen)),
        ("http.listen", config.http.listen),
    ):
        if value and (why := absent(parse(value))):
            print(f"{options.config}: {key}: {why}", file=sys.stderr)
    print(f"{options.config}: good")
    return 0


def _show(options: argparse.Namespace) -> int:
    from pointsman.show import show

    if options.against and options.what != "zone":
        raise Fatal("--against compares zones: pointsman show zone --against URL")
    if options.what == "health" and options.state is None:
        from pointsman.show import health
        from pointsman.status import fetch

        found = fetch(load(options.config or Path(DEFAULT)), "/v1/health")
        print(health(found, as_json=options.json), end="")
        return 0
    cluster, config = _cluster(options)
    if options.against:
        from pointsman.against import compare

        difference = compare(options.against, cluster, config)
        print(difference, end="")
        return 1 if difference else 0
    if options.what == "diff":
        from pointsman.node import open_kernel, own
        from pointsman.show import changes

        with open_kernel(config, dry=True) as kernel:
            print(changes(cluster, config, own(config), kernel, as_json=options.json), end="")
        return 0
    print(show(options.what, cluster, config, as_json=options.json), end="")
    return 0


def _status(options: argparse.Namespace) -> int:
    from pointsman.status import fetch, page

    found = fetch(load(options.config))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(page(found), end="")
    return 0


def _resolve(options: argparse.Namespace) -> int:
    from pointsman.resolve import explain, text

    found = explain(options.name, options.type, *_cluster(options))
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(text(found), end="")
    return 0 if found.answer else 1


def _cluster(options: argparse.Namespace) -> tuple[Cluster, Config]:
    """Return the cluster that a command is about, and the configuration."""
    if options.state is None:
        from pointsman.source import once

        config = load(options.config or Path(DEFAULT))
        log.set_up("warning")
        return asyncio.run(once(config.discovery)), config
    from pointsman.discovery.statefile import read

    return read(options.state), load(options.config) if options.config else Config()


def _import(options: argparse.Namespace) -> int:
    from pointsman.migrate import from_mesos_dns

    try:
        found = from_mesos_dns(options.file.read_text())
    except OSError as error:
        raise Fatal(f"{options.file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Fatal(f"{options.file}: is not UTF-8 text") from error
    except ConfigError as error:
        raise ConfigError(str(options.file), error.problems) from error
    print(found.toml, end="")
    for remark in found.remarks:
        print(f"pointsman: {remark}", file=sys.stderr)
    return 0


def _flush(options: argparse.Namespace) -> int:
    from pointsman.node import open_kernels
    from pointsman.vip import namespaces

    config = load(options.config)
    there, _ = namespaces.read(Path(config.vip.namespace_folder), config.vip.namespaces)
    with open_kernels(config) as kernels:
        complaints = kernels.follow(there)
        report = kernels.flush()
    print(f"removed {len(report.changes)} virtual servers; {report.surroundings} links, routes,")
    print("rules and settings were removed or set back")
    for failure in report.failures:
        print(f"pointsman: the kernel refused to {failure}", file=sys.stderr)
    for complaint in (*complaints, *report.complaints):
        print(f"pointsman: {complaint}", file=sys.stderr)
    return 1 if report.failures or report.complaints else 0


def _announce(options: argparse.Namespace) -> int:
    from pointsman import announce
    from pointsman.rules import ranges
    from pointsman.vip.announce import attributes, bird, instructions

    to_bird = options.format == "bird"
    if to_bird and not (options.output or options.once):
        raise Fatal("--format bird writes a file: name it by --output")
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
        print(bird(found) if to_bird else "".join(lines), end="")
    elif to_bird:
        asyncio.run(announce.by_bird(settings, options.output, shlex.split(options.reload)))
    else:
        asyncio.run(announce.by_exabgp(settings, said))
    return 0
