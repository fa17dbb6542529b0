"""Scenarios one after another, each judged: what `lab test` does."""

import contextlib
import time
from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointlab import demo, script, timeline, topology
from pointlab.judge import Verdict, verdict
from pointlab.lab import Lab
from pointlab.recording import Recording
from pointlab.script import Scenario, Step
from pointlab.stage import Stage, StepError

AGREE = script.step(["expect", "agreement", "within", "60"])
HEAL = script.step(["heal"])


class Result(msgspec.Struct, frozen=True):
    """What came of a scenario."""

    scenario: Scenario
    lasted: float
    recordings: tuple[Recording, ...]
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...]
    clean: bool
    """Whether its lab can be used for another: all was healed and agreed."""


def run(scenarios: Sequence[Scenario], out: Console, lab: Lab | None = None) -> list[Result]:
    """Do them all, those of one topology on one lab as long as that is whole.

    On a lab that is up if it is given, of whatever topology.
    """
    results = []
    with _Labs(out, lab) as labs:
        for scenario in sorted(scenarios, key=lambda one: one.topology):
            demo.title(out, scenario.name)
            out.print(Text(f"{scenario.about}\n", style="dim"))
            try:
                result = perform(scenario, labs.of(scenario.topology), out)
            except (OSError, LookupError, TimeoutError) as error:
                result = Result(scenario, 0.0, (), (), (f"the lab: {error}",), clean=False)
            labs.clean = result.clean
            _show(result, out)
            results.append(result)
    return results


def perform(scenario: Scenario, lab: Lab, out: Console) -> Result:
    """Do a scenario on a lab that is up, heal all, and judge it."""
    stage = Stage(lab)
    stage.journal.begin()
    began = time.monotonic()
    problems: list[str] = []
    clean = True
    for step in (*scenario.steps, HEAL, AGREE):
        if problems and step not in (HEAL, AGREE):
            continue  # what could not be done is followed by cleaning up only
        out.print(f"[dim]{time.monotonic() - began:6.1f} s[/] {step}", soft_wrap=True)
        try:
            stage.do(step)
        except StepError as error:
            out.print(Text(f"         {error}", style="red"))
            clean = clean and bool(step.line)
            problems.append(_placed(scenario, step, error))
    lasted = time.monotonic() - began
    stage.stop()
    with contextlib.suppress(OSError):
        recordings = stage.recordings(scenario.name)
        verdicts = tuple(verdict(one) for one in recordings)
        problems += [problem for one in verdicts for problem in one.problems]
        return Result(scenario, lasted, recordings, verdicts, tuple(problems), clean)
    problems.append("the framework does not tell what became of its tasks")
    return Result(scenario, lasted, (), (), tuple(problems), clean=False)


def table(results: Sequence[Result]) -> Table:
    """Return what came of all."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column("\n\nscenario", no_wrap=True)
    for column in (
        "\n\nlasted", "\n\nrequests", "\n\nfailed", "failed after\nthe kernel\nfollowed",
        "DNS\nfollowed\nwithin", "kernel\nfollowed\nwithin", "\nwrong\nanswers",
    ):  # fmt: skip
        made.add_column(column, justify="right", no_wrap=True)
    made.add_column("\n\nverdict", no_wrap=True)
    for one in results:
        figures = [each.figures for each in one.verdicts]
        late = sum(each.late for each in figures)
        wrong = sum(len(each.wrong) + len(each.stale) for each in one.verdicts)
        made.add_row(
            one.scenario.name,
            f"{one.lasted:.0f} s",
            str(sum(each.requests for each in figures)),
            str(sum(each.failed for each in figures)),
            Text(str(late), style="bold red" if late else ""),
            _longest(each.dns_max for each in figures),
            _longest(each.kernel_max for each in figures),
            Text(str(wrong), style="bold red" if wrong else ""),
            Text("failed", style="bold red") if one.problems else Text("good", style="green"),
        )
    return made


class _Labs:
    """A lab after another, none twice as long as one is clean."""

    def __init__(self, out: Console, given: Lab | None) -> None:
        self.clean = False
        self._out = out
        self._given = given
        self._lab: Lab | None = None

    def __enter__(self) -> "_Labs":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def of(self, name: str) -> Lab:
        """Return a lab of a topology without any app."""
        lab = self._given or self._lab
        if lab and (self._given or (self.clean and lab.topology.name == name)):
            # Another framework of the same name: its tasks are numbered from 1 again.
            lab.cluster.teardown()
            lab.cluster.start("framework")
            lab.cluster.wait()
            return lab
        self._end()
        began = time.monotonic()
        read = topology.load(name)
        self._lab = lab = Lab(f"test-{read.name}", read)
        try:
            lab.start()
            lab.wait()
        except BaseException:
            demo.show_ended(lab, self._out)
            raise
        took = time.monotonic() - began
        self._out.print(f"[dim]a lab of topology {read.name}, up after {took:.0f} s")
        return lab

    def _end(self) -> None:
        if self._lab:
            self._lab.stop()
        self._lab = None


def _show(result: Result, out: Console) -> None:
    """Print what was wrong, with all that happened; of a good one only that."""
    if not result.problems:
        out.print(f"[bold green]good[/] after {result.lasted:.0f} s")
        return
    for recording, judged in zip(result.recordings, result.verdicts, strict=True):
        out.print(timeline.printed(timeline.timeline(recording, judged), recording.began))
    for problem in result.problems:
        out.print(Text(problem, style="bold red"))


def _placed(scenario: Scenario, step: Step, error: StepError) -> str:
    where = f"{scenario.name}{script.SUFFIX}"
    return f"{where}:{step.line}: {error}" if step.line else f"{where}, at the end: {error}"


def _longest(seconds: Iterator[float | None]) -> str:
    known = [one for one in seconds if one is not None]
    return f"{max(known):.2f} s" if known else ""
