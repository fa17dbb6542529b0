"""Scenarios one after another, each judged: what `lab test` does."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointlab.judge import timeline
from pointlab.judge.judge import Verdict, verdict
from pointlab.scenario import script
from pointlab.scenario.script import Break, Heal, Kill, Scenario, Step
from pointlab.scenario.stage import FAILURES, Stage, StepError
from pointlab.shows import demo
from pointlab.site import peers, topology
from pointlab.site.lab import Lab
from pointlab.site.process import wait_for
from pointlab.site.topology import Topology
from pointlab.watch.eyes import Eyes
from pointlab.watch.recording import Note, Recording

RECOVERS = 90.0
"""Seconds for what was healed to be as before."""
LAG = 3.0
"""Seconds that the peers are given to follow the last step: they ask every 2 s."""
PEERS = "peers"
LOOSE = Break | Heal | Kill
"""Steps that mean nothing where their target is not there."""
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
    peers: tuple[Verdict, ...] = ()
    """What its peers did; they are not judged."""


def run(
    scenarios: Iterable[Scenario], out: Console, lab: Lab | None = None, *, loose: bool = False
) -> Iterator[Result]:
    """Do one after another and yield what came of it; on one lab as long as that is whole.

    Successive ones should be of one topology: a lab takes long to come up. If a lab is given all
    are done on that. ``loose`` leaves out what has nothing to break or to heal.
    """
    with _Labs(out, lab) as labs:
        for scenario in scenarios:
            demo.title(out, scenario.name)
            out.print(Text(f"{scenario.about}\n", style="dim"))
            try:
                result = perform(scenario, labs.of(scenario.topology), out, loose=loose)
            except FAILURES as error:
                result = Result(scenario, 0.0, (), (), (f"the lab: {error}",), clean=False)
            labs.clean = result.clean
            _show(result, out)
            yield result


def perform(scenario: Scenario, lab: Lab, out: Console, *, loose: bool = False) -> Result:
    """Do a scenario on a lab that is up, heal all, and judge it."""
    stage = Stage(lab)
    stage.journal.begin()
    errors = _errors(lab)
    began = time.monotonic()
    problems: list[str] = []
    clean = True
    for step in (*scenario.steps, HEAL, AGREE):
        if problems and step.line:
            continue  # what could not be done is followed by cleaning up only
        out.print(Text(f"{time.monotonic() - began:6.1f} s  {step}"), soft_wrap=True)
        try:
            if step is AGREE:
                _recovered(stage)
            stage.do(step)
        except StepError as error:
            left_out = loose and isinstance(step.verb, LOOSE)
            out.print(Text(f"          {error}", style="dim" if left_out else "red"))
            if left_out:
                continue
            problems.append(_placed(scenario, step, error))
            stage.journal.note(Note(time.monotonic(), problems[-1], unmet=True))
            clean = clean and bool(step.line)
    lasted = time.monotonic() - began
    if peers.present(lab.topology):
        time.sleep(LAG)
    stage.stop()
    problems += _ended(lab)
    problems += [f"{name} has met an error: {errors_}" for name, errors_ in _new(lab, errors)]
    try:
        recordings = stage.recordings(scenario.name)
        beside = stage.of_peers(f"{scenario.name}, {PEERS}")
    except FAILURES as error:
        problems.append(f"the framework does not tell of its tasks: {error}")
        return Result(scenario, lasted, (), (), tuple(problems), clean=False)
    verdicts = tuple(verdict(one) for one in recordings)
    problems += [words for one in verdicts for words in one.problems if words not in problems]
    return Result(
        scenario, lasted, recordings, verdicts, tuple(problems), clean, tuple(map(verdict, beside))
    )


def _recovered(stage: Stage) -> None:
    """Wait for what is healed to be over, as a Pointsman that starts: all nodes count then."""
    try:
        wait_for(lambda: not stage.journal.lasting(), "the end of all faults", RECOVERS)
    except TimeoutError as error:
        words = "; ".join(broken.fault.words for broken in stage.journal.lasting())
        raise StepError(f"{error}: {words}") from error


def table(results: Sequence[Result]) -> Table:
    """Return what came of all."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("\n\n\nscenario", no_wrap=True)
    for column in (
        "\n\n\nlasted", "\n\n\nrequests", "\n\n\nfailed", "failed\nafter the\nkernel\nfollowed",
        "\nDNS\nfollowed\nwithin", "\nkernel\nfollowed\nwithin", "\n\nwrong\nanswers",
    ):  # fmt: skip
        made.add_column(column, justify="right", no_wrap=True)
    made.add_column("\n\n\nverdict", no_wrap=True)
    for one in results:
        good = Text("failed", style="bold red") if one.problems else Text("good", style="green")
        lasted = f"{one.lasted:.0f} s"
        made.add_row(one.scenario.name, lasted, *_cells(one.verdicts, "bold red"), good)
        if one.peers:
            made.add_row(Text(f"  {PEERS}", style="dim"), "", *_cells(one.peers, ""), "")
    return made


def _cells(verdicts: Sequence[Verdict], style: str) -> Iterator[Text]:
    """Yield what the table tells of some verdicts; ``style`` is of what should not be."""
    figures = [each.figures for each in verdicts]
    late = sum(each.late for each in figures)
    wrong = sum(len(each.wrong) + len(each.stale) for each in verdicts)
    yield Text(str(sum(each.requests for each in figures)))
    yield Text(str(sum(each.failed for each in figures)))
    yield Text(str(late), style=style if late else "")
    yield Text(_longest(each.dns_max for each in figures))
    yield Text(_longest(each.kernel_max for each in figures))
    yield Text(str(wrong), style=style if wrong else "")


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
            eyes = Eyes(lab, lambda: ())
            wait_for(lambda: not eyes.balances(), "the end of all VIPs")
            lab.cluster.start("framework")
            lab.cluster.wait()
            return lab
        self._end()
        began = time.monotonic()
        read = topology.load(name)
        lab = self._started(read, again=True)
        took = time.monotonic() - began
        self._out.print(f"[dim]a lab of topology {read.name}, up after {took:.0f} s")
        return lab

    def _started(self, read: Topology, *, again: bool) -> Lab:
        """Return a lab that is up; try once more if it does not come up."""
        self._lab = lab = Lab(f"test-{read.name}", read)
        try:
            lab.start()
            lab.wait()
        except FAILURES as error:
            demo.show_ended(lab, self._out)
            self._end()
            if not again:
                raise
            self._out.print(Text(f"the lab did not come up, and is started again: {error}"))
            return self._started(read, again=False)
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
        out.print(Text(problem, style="bold red"), soft_wrap=True)


def _placed(scenario: Scenario, step: Step, error: StepError) -> str:
    where = f"{scenario.name}{script.SUFFIX}"
    return f"{where}:{step.line}: {error}" if step.line else f"{where}, at the end: {error}"


def _longest(seconds: Iterator[float | None]) -> str:
    known = [one for one in seconds if one is not None]
    return f"{max(known):.2f} s" if known else ""


def _ended(lab: Lab) -> Iterator[str]:
    """Yield what should run and does not, with its last words."""
    for name in lab.processes.names():
        if not lab.processes.alive(name):
            tail = lab.processes.log(name).read_text(errors="replace").splitlines()[-3:]
            yield f"{name} has ended: {' / '.join(tail)}"


def _errors(lab: Lab) -> dict[str, list[str]]:
    """Return the last line of each traceback in the logs of Pointsman."""
    found = {}
    for one in lab.topology.running("pointsman"):
        name = f"pointsman-{one.name}"
        log = lab.processes.log(name)
        text = log.read_text(errors="replace") if log.exists() else ""
        found[name] = _tracebacks(text)
    return found


def _tracebacks(log: str) -> list[str]:
    found = []
    for after in log.split("Traceback (most recent call last):\n")[1:]:
        lines = (line for line in after.splitlines() if not line.startswith((" ", "|")))
        found.append(next(lines, "unfinished"))
    return found


def _new(lab: Lab, before: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for name, errors in _errors(lab).items():
        if more := errors[len(before.get(name, ())) :]:
            yield name, "; ".join(more)
