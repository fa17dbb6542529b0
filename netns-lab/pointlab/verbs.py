"""The commands of scenarios: steps on a lab that is up, and `lab test`."""

import argparse
import time
from collections.abc import Callable, Sequence

from pointlab import demo, guest, script, trials
from pointlab.lab import Lab
from pointlab.script import Scenario
from pointlab.stage import Stage, StepError

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


def test(options: Options) -> int:
    """Do scenarios, and print what came of them; return 1 when one failed."""
    out = demo.console()
    scenarios = chosen(options.scenario, short=options.short)
    if options.list:
        for one in scenarios:
            out.print(f"[bold]{one.name:22}[/] {one.title}", soft_wrap=True)
        return 0
    began = time.monotonic()
    lab = Lab.open(options.lab) if options.lab else None
    results = trials.run(scenarios * (2 if options.twice else 1), out, lab)
    demo.title(out, "What it came to")
    out.print(trials.table(results))
    failed = sum(bool(one.problems) for one in results)
    out.print(
        f"\n{len(results)} scenarios in {time.monotonic() - began:.0f} s, "
        f"[{'red' if failed else 'green'} bold]{failed} failed[/]"
    )
    return 1 if failed else 0


def test_outside(options: Options, words: list[str]) -> int:
    """Do the same in a guest; what can be said without one is."""
    chosen(options.scenario)
    if options.list:
        return test(options)
    if options.lab:
        return guest.run(options.lab, words)
    print("this kernel has no ip_vs: booting a user-mode-linux that has", flush=True)
    return guest.foreground(words, HOURS * 3600)


def chosen(names: Sequence[str], *, short: bool = False) -> list[Scenario]:
    """Return the scenarios that are asked for; all without a name."""
    found = [script.load(name) for name in names or script.names()]
    return [one for one in found if one.short or not short]


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
    command = add_command(
        "test", "do scenarios, judge what was seen, then clean up", test, test_outside
    )
    command.add_argument("scenario", nargs="*", help="names or files; all without any")
    command.add_argument("--lab", default="", metavar="NAME", help="on this one, which is up")
    command.add_argument("--list", action="store_true", help="only tell which there are")
    command.add_argument("--short", action="store_true", help="those few that show the most")
    command.add_argument("--twice", action="store_true", help="all of them twice")
