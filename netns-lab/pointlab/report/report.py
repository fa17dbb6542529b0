"""One file of HTML that tells what happened: the verdict, the chart, the timeline, the failures."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

from pointlab.judge.judge import Figures, Verdict, verdict
from pointlab.judge.timeline import timeline
from pointlab.report.plots import PATTERNS, chart
from pointlab.report.style import STYLE
from pointlab.watch.recording import Recording, Request

MOST_LINES = 80
"""Lines of a timeline above which it is folded."""
KINDS = {
    "break": "broken", "heal": "healed", "note": "step", "task": "task", "kernel": "kernel",
    "dns": "DNS", "failed": "failed", "late": "FAILED", "stale": "STALE", "wrong": "WRONG",
}  # fmt: skip
LEGEND = (
    ("fault", "broken on purpose"),
    ("fault blind", "broken so that nobody can know of tasks"),
    ("starting", "starts"),
    ("serving", "serves"),
    ("unhealthy", "unhealthy"),
    ("draining", "asked to end"),
    ("unreachable", "unreachable, or no answer"),
    ("level4", "as the tasks are (with the number of instances)"),
    ("view differs", "not as the tasks are (lower when for less than 1 s)"),
    ("view excused", "not as the tasks are, and could not know"),
    ("heat1", "answers"),
    ("excused-requests", "failed, with excuse"),
    ("late-requests", "failed without excuse"),
)


def report(recordings: Sequence[Recording]) -> str:
    """Return a document of one or several scenarios, which needs nothing beside itself."""
    judged = [(one, verdict(one)) for one in recordings]
    bad = sum(bool(found.problems) for _, found in judged)
    if len(judged) == 1:
        head, body = judged[0][0].title, _scenario(1, *judged[0], heading="h1")
    else:
        head = f"{len(judged)} scenarios, {f'{bad} with problems' if bad else 'all as they should'}"
        scenarios = (_scenario(n, *one, heading="h2") for n, one in enumerate(judged, 1))
        body = f"<header><h1>{head}</h1></header>{_summary(judged)}{''.join(scenarios)}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(head)}</title><style>{STYLE}</style></head>"
        f"<body>{PATTERNS}<main>{body}</main></body></html>\n"
    )


def _summary(judged: Sequence[tuple[Recording, Verdict]]) -> str:
    rows = []
    for number, (recording, found) in enumerate(judged, 1):
        figures = found.figures
        problems = len(found.problems)
        rows.append(
            f'<tr><td><a href="#scenario-{number}">{escape(recording.title)}</a></td>'
            f'<td class="{"bad" if problems else "good"}">'
            f"{many(problems, 'problem') if problems else 'as it should be'}</td>"
            + _numbers(
                _count(figures.requests),
                _count(figures.failed),
                _count(figures.late),
                _seconds(figures.kernel_max),
                _seconds(figures.dns_max),
            )
            + "</tr>"
        )
    heads = ("requests", "failed", "without excuse", "kernels followed", "DNS followed")
    return _table(("scenario", "verdict"), heads, rows, "Seconds are the longest of each.")


def _scenario(number: int, recording: Recording, found: Verdict, heading: str) -> str:
    name = f"scenario-{number}"
    lasted = recording.ended - recording.began
    problems = "".join(f"<li>{escape(words)}</li>" for words in found.problems)
    late: dict[str, set[int]] = defaultdict(set)
    for load, request in found.late:
        late[load.name].add(id(request))
    return (
        f'<section class="scenario" id="{name}" aria-labelledby="{name}-head">'
        f'<header><{heading} id="{name}-head">{escape(recording.title)}</{heading}>'
        f'<p class="dim">{escape(recording.topology)}; {many(len(recording.nodes), "node")} with '
        f"Pointsman; app {escape(recording.app)} at {escape(recording.vip)}; {lasted:.0f} s</p>"
        "</header>"
        f'<p class="verdict{" bad" if problems else ""}">{escape(headline(found))}</p>'
        + (f'<ul class="problems">{problems}</ul>' if problems else "")
        + _figures(found.figures)
        + f"<figure>{chart(recording, late, name)}{_legend()}</figure>"
        + _timeline(recording, found)
        + _failures(recording, found)
        + "</section>"
    )


def headline(found: Verdict) -> str:
    """Say the verdict in a sentence."""
    figures = found.figures
    sent = many(figures.requests, "request")
    if figures.late:
        return (
            f"Of {sent} {_count(figures.late)} failed without excuse; "
            f"{many(len(found.problems), 'problem')} in all."
        )
    if found.problems:
        return f"No request failed without excuse, of {sent}, but there is " + (
            "a problem." if len(found.problems) == 1 else f"more: {len(found.problems)} problems."
        )
    if figures.failed:
        return (
            f"All as it should be. Of {sent} {_count(figures.failed)} failed, each while the "
            "kernel could not yet know that an instance was gone."
        )
    return f"All as it should be: none of {sent} failed."


def _figures(figures: Figures) -> str:
    excused = figures.failed - figures.late
    rows = [
        _figure("requests", _count(figures.requests)),
        _figure("failed without excuse", _count(figures.late), "bad" if figures.late else "good"),
        _figure("failed with excuse", _count(excused)),
        _figure(
            "kernels followed within",
            _seconds(figures.kernel_max),
            more=f"median {_seconds(figures.kernel_median)}",
        ),
        _figure(
            "DNS followed within",
            _seconds(figures.dns_max),
            more=f"median {_seconds(figures.dns_median)}",
        ),
        _figure("DNS named what had ended up to", _seconds(figures.named_max)),
        _figure("followed, once healed, within", _seconds(figures.healed_max)),
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _figure(what: str, value: str, kind: str = "", more: str = "") -> str:
    small = f"<small>{escape(more)}</small>" if more else ""
    return (
        f'<div><dt>{escape(what)}</dt><dd class="{kind}">{escape(value)}{small}</dd></div>'
    )  # fmt: skip


def _legend() -> str:
    swatch = '<svg viewBox="0 0 22 12" aria-hidden="true"><rect class="{}" width="22" height="12"/>'
    items = (f"<span>{swatch.format(kind)}</svg>{words}</span>" for kind, words in LEGEND)
    return f"<figcaption>{''.join(items)}</figcaption>"


def _timeline(recording: Recording, found: Verdict) -> str:
    lines = timeline(recording, found)
    rows = [
        f'<tr class="{one.kind}"><td class="number">{one.at - recording.began:.2f} s</td>'
        f'<td><span class="kind">{KINDS[one.kind]}</span></td><td>{escape(one.text)}</td></tr>'
        for one in lines
    ]
    table = _rows(rows)
    if len(rows) <= MOST_LINES:
        return f"<h3>What happened</h3>{table}"
    return f"<details><summary>What happened: {len(rows)} lines</summary>{table}</details>"


def _rows(rows: Iterable[str]) -> str:
    heads = '<tr><th class="number" scope="col">time</th><th scope="col">of</th>'
    heads += '<th scope="col">what</th></tr>'
    body = f"<thead>{heads}</thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="table"><table>{body}</table></div>'


def _failures(recording: Recording, found: Verdict) -> str:
    late = {id(request) for _, request in found.late}
    groups: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for load in recording.loads:
        for request in load.requests:
            if request.error:
                groups[load.name, request.error.rstrip(": ")].append(request)
    if not groups:
        return ""
    rows = []
    for (load_name, error), those in sorted(groups.items(), key=lambda item: -len(item[1])):
        bad = sum(id(request) in late for request in those)
        first = min(request.start for request in those) - recording.began
        last = max(request.start for request in those) - recording.began
        kind = "bad" if bad else "good"
        rows.append(
            f"<tr><td>{escape(load_name)}</td><td>{escape(error)}</td>"
            f'{_numbers(_count(len(those)))}<td class="number {kind}">{_count(bad)}</td>'
            f"{_numbers(f'{first:.2f} s', f'{last:.2f} s')}</tr>"
        )
    heads = ("requests", "without excuse", "first", "last")
    words = (
        "A failure is excused while the kernel that balanced it held an instance that could not "
        "serve, or while a host on its way was broken."
    )
    return f"<h3>Failed requests</h3>{_table(('load', 'error'), heads, rows, words)}"


def _table(left: Iterable[str], right: Iterable[str], rows: Iterable[str], caption: str) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in left)
    heads += "".join(f'<th scope="col" class="number">{escape(head)}</th>' for head in right)
    words = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="table"><table>{words}<thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _numbers(*words: str) -> str:
    return "".join(f'<td class="number">{escape(one)}</td>' for one in words)


def _count(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def many(count: int, what: str) -> str:
    """Say how many there are."""
    return f"{_count(count)} {what}{'' if count == 1 else 's'}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
