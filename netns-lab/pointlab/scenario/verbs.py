"""The commands of scenarios: steps on a lab that is up, `lab watch`, `lab test` and `lab walk`."""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pointlab.judge import timeline
from pointlab.judge.judge import verdict
from pointlab.report import live, report
from pointlab.scenario import script, trials, walk
from pointlab.scenario.script import Scenario
from pointlab.scenario.stage import Stage, StepError
from pointlab.shows import demo
from pointlab.site import guest, topology
from pointlab.site.lab import Lab

Options = argparse.Namespace
STEPS = {
    "run": "start an app of web servers behind a VIP: lab run web --instances 3",
    "scale": "change the number of an app's instances: lab scale web 5",
    "kill": "have the framework end a task: lab kill web.1",
    "health": "have Mesos told a health: lab health web.1 false",
    "roll": "replace an app's instances, one after another: lab roll web",
    "stop": "end an app: lab stop web",
    "expect": "wait until something is so: lab expect web 3 within 10",
}
REFRESH, TELL = 0.5, 2.0
"""Seconds from one picture to the next, and from one look for lines to the next."""
RECENT = 20.0
"""Seconds of which lines tell."""
HOURS = 12
"""How long a guest may go on that runs scenarios."""


def step(options: Options) -> int:
    """Do a step on a lab that is up."""
    words = [options.verb, *options.words]
    read = script.step(words)
    try:
        Stage(Lab.open(options.lab)).do(read)
    except StepError as error:
        raise OSError(str(error)) from error
    return 0


def watch(options: Options) -> int:
    """Ask an app and look at all nodes, until Ctrl-C or for so long; then judge what was seen."""
    out = demo.console()
    stage = Stage(Lab.open(options.lab))
    fields = (field.name for field in msgspec.structs.fields(script.Watch))
    stage.watch(script.Watch(**{name: getattr(options, name) for name in fields}))
    until = time.monotonic() + (options.seconds or float("inf"))
    person = os.environ.get("LAB_TTY", "1") == "1"
    try:
        (_show if person else _tell)(stage, out, until)
    except KeyboardInterrupt:
        out.print()
    stage.stop()
    (recording,) = stage.recordings(f"watch {options.app}")
    judged = verdict(recording)
    if person:
        out.print(timeline.printed(timeline.timeline(recording, judged), recording.began))
    for problem in judged.problems:
        out.print(Text(problem, style="bold red"))
    figures = judged.figures
    out.print(f"{figures.requests} requests, {figures.failed} failed, {figures.late} late")
    if options.report:
        options.report.write_text(report.report([recording]))
        out.print(f"report: {options.report}")
    return 1 if judged.problems else 0


def _show(stage: Stage, out: Console, until: float) -> None:
    """Show it as it is, again and again."""
    with Live(console=out, auto_refresh=False, screen=True) as shown:
        while time.monotonic() < until:
            (recording,) = stage.recordings("")
            shown.update(
                live.live(recording, time.monotonic(), out.width, out.height), refresh=True
            )
            time.sleep(REFRESH)


def _tell(stage: Stage, out: Console, until: float) -> None:
    """Print each line of what happens, once."""
    told: set[tuple[float, str]] = set()
    while time.monotonic() < until:
        time.sleep(TELL)
        (recording,) = stage.recordings("")
        recent = live.since(recording, time.monotonic() - RECENT)
        for line in timeline.timeline(recent, verdict(recent)):
            # What may still grow is told when it is over.
            if line.at < time.monotonic() - TELL and (line.at, line.kind) not in told:
                told.add((line.at, line.kind))
                out.print(Text(f"{line.at - recording.began:7.2f} s  {line.text}"))


def test(options: Options) -> int:
    """Do scenarios, and print what came of them; return 1 when one failed."""
    scenarios = chosen(options.scenario, short=options.short)
    if options.peers:
        scenarios = [script.before_peers(one) for one in scenarios if one.peers]
    if options.list:
        for one in scenarios:
            print(f"{one.name:22} {one.title}")
        return 0
    return _judged(scenarios * (2 if options.twice else 1), options)


def walk_(options: Options) -> int:
    """Do scenarios made by chance until the time is over, each a chapter."""
    read = topology.load(options.topology)
    seed = random.randrange(10_000) if options.seed is None else options.seed
    until = time.monotonic() + options.minutes * 60
    print(f"seed {seed}: netns-lab/lab walk --seed {seed} --topology {read.name} repeats it")

    def chapters() -> Iterator[Scenario]:
        for one in walk.chapters(seed, read):
            if time.monotonic() >= until:
                return
            yield one

    return _judged(chapters(), options, loose=True)


def _judged(scenarios: Iterable[Scenario], options: Options, *, loose: bool = False) -> int:
    out = demo.console()
    began = time.monotonic()
    lab = Lab.open(options.lab) if options.lab else None
    results = []
    try:
        for result in trials.run(scenarios, out, lab, loose=loose):
            results.append(result)
            if loose and result.problems:
                out.print(Text(f"\nas a file:\n{walk.written(result.scenario)}", style="dim"))
    except KeyboardInterrupt:
        out.print("interrupted")
    demo.title(out, "What it came to")
    out.print(trials.table(results))
    failed = sum(bool(one.problems) for one in results)
    out.print(
        f"\n{report.many(len(results), 'scenario')} in {time.monotonic() - began:.0f} s, "
        f"[{'red' if failed else 'green'} bold]{failed} failed[/]"
    )
    recordings = [recording for one in results for recording in one.recordings]
    if options.report and recordings:
        options.report.write_text(report.report(recordings))
        out.print(f"report: {options.report}")
    return 1 if failed or not results else 0


def outside(options: Options, words: list[str]) -> int:
    """Do the same in a guest; what can be said without one is."""
    if options.here is test:
        chosen(options.scenario)
        if options.list:
            return int(options.here(options))
    if options.report:
        # A guest in the background was started elsewhere.
        words = [*words, "--report", str(options.report.absolute())]
    if options.lab or options.here is watch:
        return guest.run(guest.which(options.lab), words)
    print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
    return guest.foreground(words, HOURS * 3600)


def chosen(names: Sequence[str], *, short: bool = False) -> list[Scenario]:
    """Return the scenarios that are asked for; all without a name."""
    found = [script.load(name) for name in names or script.names()]
    return sorted((one for one in found if one.short or not short), key=lambda one: one.topology)


def lab_first(words: list[str]) -> list[str]:
    """Put ``--lab NAME`` before the words of a step, wherever it stands."""
    if words[:1] and words[0] in STEPS and "--lab" in words[2:-1]:
        at = words.index("--lab")
        return [words[0], *words[at : at + 2], *words[1:at], *words[at + 2 :]]
    return words


def add(add_command: Callable[..., argparse.ArgumentParser], run: Callable[..., int]) -> None:
    """Add the commands; ``run`` passes one on to the guest of a lab that is up."""
    for verb, help_ in STEPS.items():
        command = add_command(verb, help_, step, run)
        command.set_defaults(verb=verb)
        command.add_argument("words", nargs=argparse.REMAINDER)
    command = add_command("test", "do scenarios, judge what was seen, then clean up", test, outside)
    command.add_argument("scenario", nargs="*", help="names or files; all without any")
    command.add_argument("--list", action="store_true", help="only tell which there are")
    command.add_argument("--short", action="store_true", help="those few that show the most")
    command.add_argument(
        "--peers", action="store_true", help="those that suit, beside keepalived and BIND"
    )
    command.add_argument("--twice", action="store_true", help="all of them twice")
    walks = add_command(
        "walk", "break and heal by chance, judge what was seen, then clean up", walk_, outside
    )
    walks.add_argument("--minutes", type=float, default=30.0, help="30 if not said")
    walks.add_argument("--seed", type=int, help="of a walk that is to be repeated")
    walks.add_argument("--topology", default="flat", help="flat if not said")
    watches = add_command(
        "watch",
        "ask an app and look at all nodes until Ctrl-C; judge what was seen",
        watch,
        outside,
    )
    watches.add_argument("app")
    watches.add_argument("--from", dest="sources", action="append", default=[], metavar="NODE")
    watches.add_argument("--rate", type=float, default=10.0, help="requests a second of each")
    watches.add_argument("--keep", action="store_true", help="on kept connections, too")
    watches.add_argument("--long", type=float, default=0.0, help="and what takes so many seconds")
    watches.add_argument("--for", dest="seconds", type=float, metavar="SECONDS")
    watches.set_defaults(report=Path("lab-report.html"))
    for one in (command, walks, watches):
        one.add_argument("--lab", default="", metavar="NAME", help="on this one, which is up")
        one.add_argument("--report", type=Path, metavar="FILE.html", help="write what was seen")
