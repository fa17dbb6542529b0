"""`pointsman show`: what the cluster leads to, what counts here, what happened; changes nothing."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec

from pointsman.commands import base
from pointsman.commands.base import (
    DEFAULT,
    DONE,
    FAILED,
    WRONG,
    Commands,
    Run,
    UsageError,
    add_config,
    add_json,
    add_state,
    colours,
    command,
    print_json,
)
from pointsman.config import load, read
from pointsman.events import Kind

EXITS = {
    DONE: "printed",
    FAILED: "the cluster can't be read, or no Pointsman answers here",
    WRONG: "the command or the configuration is wrong",
}
"""Of events."""


def add(commands: Commands) -> None:
    """Add the command, with one below it for each view."""
    parser = command(
        commands,
        "show",
        lambda _: FAILED,
        summary="print what the cluster, or a state in a file, leads to; changes nothing",
        more="With --state it needs no root and no network.",
        examples=[
            ("pointsman show zone", "the records that the masters' state leads to"),
            ("pointsman show vips --state state.json", "the virtual servers of a state in a file"),
            ("pointsman show events --follow", "what changes here, as it does"),
        ],
        exits=EXITS,
    )
    views = parser.add_subparsers(title="views", required=True, metavar="VIEW")
    _view(
        views,
        "zone",
        _zone,
        summary="print all records that are answered",
        examples=[
            ("pointsman show zone --json", "for programs"),
            ("pointsman show zone --against http://10.0.0.1:8123", "beside a mesos-dns's"),
        ],
        exits={**EXITS, FAILED: f"{EXITS[FAILED]}; with --against, the zones differ"},
    ).add_argument(
        "--against",
        metavar="URL",
        help="print how the zone differs from that of a mesos-dns: http://HOST:8123",
    )
    for name, summary in (
        ("vips", "print the virtual servers that there should be, with their real servers"),
        ("cluster", "print what the masters tell: agents, frameworks and tasks"),
        ("notes", "print what is left out of names and VIPs, and why"),
    ):
        examples = [(f"pointsman show {name}", "of what the masters tell")]
        _view(views, name, _derived(name), summary=summary, examples=examples)
    _view(
        views,
        "diff",
        _diff,
        summary="print what would be changed of this kernel's virtual servers",
        examples=[("pointsman show diff", "before Pointsman is started")],
    )
    _view(
        views,
        "health",
        _health,
        summary="print what is probed, and what the Pointsman that runs here found",
        more="With --state it prints what would be probed.",
        examples=[("pointsman show health", "of this node")],
    )
    _add_config_view(views)
    _add_events(views)


def _view(
    views: Commands,
    name: str,
    run: Run,
    *,
    summary: str,
    more: str = "",
    examples: Sequence[tuple[str, str]],
    exits: Mapping[int, str] = EXITS,
) -> argparse.ArgumentParser:
    found = command(views, name, run, summary=summary, more=more, examples=examples, exits=exits)
    add_state(found)
    return found


def _add_config_view(views: Commands) -> None:
    config = command(
        views,
        "config",
        _config,
        summary="print the configuration that counts, and where each value comes from",
        more="Secrets are not shown.",
        examples=[
            ("pointsman show config", "what the file, the environment and the defaults say"),
            ("pointsman show config --example > pointsman.toml", "every key, for a start"),
        ],
        exits={**EXITS, FAILED: "it can't be printed"},
    )
    add_config(config)
    add_json(config)
    config.add_argument(
        "--example",
        action="store_true",
        help="print a file with every key, its default and what it means, and read none",
    )


def _add_events(views: Commands) -> None:
    events = command(
        views,
        "events",
        _events,
        summary="print what changed on this node, before and after, and why",
        more="The Pointsman that runs here remembers the latest.",
        examples=[
            ("pointsman show events --limit 20", "the latest"),
            ("pointsman show events --follow", "and those to come, until Ctrl-C"),
            ("pointsman show events --kind kernel --json", "what was changed in the kernel"),
        ],
        exits={**EXITS, FAILED: "no Pointsman answers here"},
    )
    add_config(events)
    add_json(events)
    events.add_argument(
        "--follow", action="store_true", help="go on with those to come; JSON is a line for each"
    )
    events.add_argument(
        "--limit", type=int, default=50, metavar="NUMBER", help="so many at most (default 50)"
    )
    events.add_argument("--kind", choices=get_args(Kind), help="of one kind alone")


def _derived(what: str) -> Run:
    def run(options: argparse.Namespace) -> int:
        from pointsman.show import show

        cluster, config = base.cluster(options)
        text = show(what, cluster, config, as_json=options.json, colours=colours())
        print(text, end="")
        return DONE

    return run


def _zone(options: argparse.Namespace) -> int:
    if not options.against:
        return _derived("zone")(options)
    from pointsman.against import compare

    difference = compare(options.against, *base.cluster(options))
    if options.json:
        print_json({"differences": difference.splitlines()})
    else:
        print(difference, end="")
    return FAILED if difference else DONE


def _diff(options: argparse.Namespace) -> int:
    from pointsman.node import open_kernel, own
    from pointsman.show import changes

    cluster, config = base.cluster(options)
    with open_kernel(config, dry=True) as kernel:
        print(changes(cluster, config, own(config), kernel, as_json=options.json), end="")
    return DONE


def _health(options: argparse.Namespace) -> int:
    if options.state is not None:
        return _derived("health")(options)
    from pointsman.client import fetch
    from pointsman.show import health

    found = fetch(load(options.config or DEFAULT), "/v1/health")
    print(health(found, as_json=options.json, colours=colours()), end="")
    return DONE


def _config(options: argparse.Namespace) -> int:
    from pointsman import config_view

    if options.example:
        if options.json:
            raise UsageError("--example prints TOML, not JSON")
        print(config_view.example(), end="")
        return DONE
    rows = config_view.rows(read(options.config))
    if options.json:
        print_json({"file": str(options.config), "keys": rows})
    else:
        print(config_view.text(rows, colours=colours()), end="")
    return DONE


def _events(options: argparse.Namespace) -> int:
    from pointsman.client import fetch, follow
    from pointsman.events_view import lines

    config = load(options.config)
    kind = f"&kind={options.kind}" if options.kind else ""
    found = fetch(config, f"/v1/events?limit={options.limit}{kind}")
    if options.json and not options.follow:
        print_json(found)
        return DONE
    try:
        events = iter(found["events"])
        while True:
            for event in events:
                if options.kind in (None, event["kind"]):
                    text = (
                        msgspec.json.encode(event).decode()
                        if options.json
                        else "\n".join(lines(event, colours=colours()))
                    )
                    print(text, flush=True)
            if not options.follow:
                return DONE
            events = follow(
                config, found["last"], lambda why: print(f"pointsman: {why}", file=sys.stderr)
            )
    except KeyboardInterrupt:
        return DONE
