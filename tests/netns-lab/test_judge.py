from collections.abc import Sequence

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pointlab.judge.excuses import excused, is_excused, late
from pointlab.judge.findings import disagreements, followed, named, stale, wrong
from pointlab.judge.judge import verdict
from pointlab.judge.truth import lasting
from pointlab.report.simulated import Simulation
from pointlab.watch.recording import (
    Endpoint,
    Fault,
    Load,
    Moment,
    Note,
    Recording,
    Request,
    Span,
    Task,
    View,
)

ONE, TWO = ("10.31.0.11", 31_001), ("10.31.0.12", 31_002)
BOTH = frozenset({ONE, TWO})
NONE = frozenset[Endpoint]()
LATER = ", after it had let it go"


def task(number: int, *moments: tuple[float, str, bool | None]) -> Task:
    """Return web.1 at ONE on agent1, or web.2 at TWO on agent2."""
    where = {1: ONE, 2: TWO}[number]
    return Task(
        f"web.{number}",
        f"agent{number}",
        (where,),
        tuple(Moment(*moment) for moment in moments),
        checked=any(healthy is not None for _, _, healthy in moments),
    )


ALWAYS = (-10.0, "TASK_RUNNING", None)
WEB1, WEB2 = task(1, ALWAYS), task(2, ALWAYS)
DIES_AT_10 = task(1, ALWAYS, (10.0, "TASK_FAILED", None))


def spans(*seen: tuple[float, float, frozenset[Endpoint]]) -> tuple[Span, ...]:
    return tuple(
        Span(first, last, 10, endpoints, "" if endpoints else "empty")
        for first, last, endpoints in seen
    )


def recording(
    *tasks: Task,
    kernel: Sequence[Span] = spans((0, 30, BOTH)),
    srv: Sequence[Span] = spans((0, 30, BOTH)),
    faults: tuple[Fault, ...] = (),
    requests: tuple[Request, ...] = (),
) -> Recording:
    """Return one of 30 seconds and one node, agent1, through which client asks."""
    views = View("agent1", "kernel", tuple(kernel)), View("agent1", "srv", tuple(srv))
    load = Load("web from client", "agent1", requests, "client")
    return Recording(
        "", "", "web", "11.0.0.1:80", 0, 30, ("agent1",), tasks, faults, (), (load,), views
    )


def failed(start: float, end: float) -> Request:
    return Request(start, end, "", "refused")


def test_view_follows_when_it_first_lacks_what_ended() -> None:
    seen = spans((0, 10.2, BOTH), (10.3, 30, frozenset({TWO})))
    one, other = followed(recording(DIES_AT_10, WEB2, kernel=seen))
    assert (one.what, one.when, round(one.took, 3), one.reason) == ("kernel", 10.3, 0.3, "")
    assert (other.what, other.when, other.took) == ("srv", None, 20)


def test_task_with_a_check_serves_once_it_is_healthy() -> None:
    starts = task(1, (9, "TASK_RUNNING", None), (10, "TASK_RUNNING", True))
    seen = spans((0, 10.1, frozenset({TWO})), (10.2, 30, BOTH))
    for one in followed(recording(starts, WEB2, kernel=seen, srv=seen)):
        assert (one.change.at, one.change.serves, one.when) == (10, True, 10.2)


def test_task_that_ends_before_its_first_result_never_served() -> None:
    brief = task(1, (9, "TASK_RUNNING", None), (10, "TASK_KILLED", None))
    assert not followed(recording(msgspec.structs.replace(brief, checked=True), WEB2))


def test_failure_once_a_task_had_time_to_end_unnoticed_is_excused() -> None:
    stopped = Fault(5, "stop web.1", ended=frozenset({"web.1"}), takes=10, until=6)
    requests = failed(14, 14.1), failed(15.1, 15.2)
    seen = recording(WEB1, WEB2, faults=(stopped,), requests=requests)
    assert [request for _, request in late(seen)] == [failed(14, 14.1)]


def test_view_that_knew_before_the_framework_followed_at_once() -> None:
    seen = spans((0, 9.8, BOTH), (9.9, 30, frozenset({TWO})))
    assert followed(recording(DIES_AT_10, WEB2, kernel=seen))[0].took == 0


def test_what_changed_again_first_is_no_measure() -> None:
    blinks = task(1, ALWAYS, (10, "TASK_RUNNING", False), (10.1, "TASK_RUNNING", True))
    always = task(1, (-10.0, "TASK_RUNNING", True))
    assert not followed(recording(always))
    checked = msgspec.structs.replace(blinks, moments=(*always.moments, *blinks.moments[1:]))
    ends, _, starts, _ = followed(recording(checked, WEB2))
    assert (ends.when, ends.reason) == (None, "changed again")
    assert (starts.when, starts.took, starts.reason) == (10.1, 0, "")


def test_node_that_was_broken_counts_from_its_heal() -> None:
    fault = Fault(9, "stop agent1", programs=frozenset({"agent1"}), until=15)
    seen = spans((0, 15.4, BOTH), (15.5, 30, frozenset({TWO})))
    one, _ = followed(recording(DIES_AT_10, WEB2, kernel=seen, faults=(fault,)))
    assert (one.when, one.took, one.reason) == (15.5, 0.5, "healed")


def test_time_before_a_break_counts_too() -> None:
    fault = Fault(20, "stop agent1", programs=frozenset({"agent1"}), until=25)
    seen = spans((0, 25.4, BOTH), (25.5, 30, frozenset({TWO})))
    one, _ = followed(recording(DIES_AT_10, WEB2, kernel=seen, faults=(fault,)))
    assert one.took == 10


def test_failure_while_the_kernel_holds_what_ended_is_excused() -> None:
    seen = spans((0, 10.2, BOTH), (10.3, 30, frozenset({TWO})))
    requests = (failed(9, 9.9), failed(9.9, 10.1), failed(10.25, 12), failed(10.4, 10.5))
    found = late(recording(DIES_AT_10, WEB2, kernel=seen, requests=requests))
    assert [request for _, request in found] == [requests[0], requests[3]]


def test_failure_while_the_kernel_holds_what_is_paused_or_on_a_host_away_is_excused() -> None:
    for fault in (
        Fault(10, "pause web.1", tasks=frozenset({"web.1"}), until=12),
        Fault(10, "unplug agent2", nodes=frozenset({"agent2"}), until=12),
        Fault(10, "unplug client", nodes=frozenset({"client"}), until=12),
        Fault(10, "unplug agent1", nodes=frozenset({"agent1"}), until=12),
    ):
        requests = (failed(9, 9.9), failed(11, 11.1), failed(12.1, 12.2))
        found = late(recording(WEB1, WEB2, faults=(fault,), requests=requests))
        assert [request for _, request in found] == [requests[0], requests[2]]


CRASH = Fault(10, "crash agent1", nodes=frozenset({"agent1"}), ended=frozenset({"web.1"}), until=12)


def test_failure_after_a_host_is_back_is_excused_until_the_kernel_knows_that_its_tasks_ended() -> (
    None
):
    # By Mesos they run until their agent has looked.
    seen = spans((0, 14.0, BOTH), (14.1, 30, frozenset({TWO})))
    crash = msgspec.structs.replace(CRASH, nodes=frozenset({"elsewhere"}))
    requests = (failed(13, 13.1), failed(14.2, 14.3))
    found = late(recording(WEB1, WEB2, kernel=seen, faults=(crash,), requests=requests))
    assert [request for _, request in found] == [requests[1]]


def test_dns_may_name_again_what_an_agent_that_is_back_tells_of() -> None:
    lost = task(1, ALWAYS, (10.5, "TASK_UNREACHABLE", None))
    names = frozenset({TWO})
    soon = spans((0, 11, BOTH), (11.1, 12.4, names), (12.5, 14, BOTH), (14.1, 30, names))
    late_ = spans((0, 11, BOTH), (11.1, 24.4, names), (24.5, 26, BOTH), (26.1, 30, names))
    assert not stale(recording(lost, WEB2, srv=soon, faults=(CRASH,)))
    assert stale(recording(lost, WEB2, srv=late_, faults=(CRASH,)))
    assert stale(recording(lost, WEB2, srv=soon))


def test_what_changed_just_before_the_end_need_not_have_been_followed() -> None:
    for at, count in ((29.9, 0), (20.0, 2)):
        starts = task(1, (at, "TASK_RUNNING", None))
        seen = spans((0, 30, frozenset({TWO})))
        assert len(disagreements(recording(starts, WEB2, kernel=seen, srv=seen))) == count


def test_a_program_that_is_broken_excuses_nothing() -> None:
    fault = Fault(10, "stop agent1", programs=frozenset({"agent1"}), blind=True)
    assert late(recording(WEB1, WEB2, faults=(fault,), requests=(failed(11, 12),)))


def test_failure_while_the_kernel_holds_none_is_excused_and_the_lack_is_wrong() -> None:
    seen = spans((0, 10, BOTH), (11, 12, NONE), (13, 30, BOTH))
    found = recording(WEB1, WEB2, kernel=seen, requests=(failed(11, 11.1),))
    assert not late(found)
    assert [(one.what, one.said, one.first, one.last) for one in wrong(found)] == [
        ("kernel", "empty", 11, 12)
    ]


def test_answer_that_names_again_what_it_had_let_go_is_stale() -> None:
    two = frozenset({TWO})
    seen = spans((0, 10.2, BOTH), (10.3, 12, two), (12.1, 12.5, BOTH), (12.6, 30, two))
    (one,) = stale(recording(DIES_AT_10, WEB2, srv=seen))
    assert (one.task, one.endpoint, one.first, one.last) == ("web.1", ONE, 12.1, 12.5)


def test_program_that_starts_may_name_what_it_kept() -> None:
    seen = spans((0, 10, BOTH), (10.1, 12, frozenset({TWO})), (15, 16, BOTH))
    after = spans((16.1, 30, frozenset({TWO})))
    starts = Fault(14, "Pointsman starts", programs=frozenset({"agent1"}), until=16.5)
    assert stale(recording(DIES_AT_10, WEB2, srv=(*seen, *after)))
    assert not stale(recording(DIES_AT_10, WEB2, srv=(*seen, *after), faults=(starts,)))


def test_what_serves_again_is_not_stale() -> None:
    two = frozenset({TWO})
    blinks = task(1, ALWAYS, (10, "TASK_LOST", None), (12.2, "TASK_RUNNING", None))
    seen = spans((0, 10.2, BOTH), (10.3, 12, two), (12.1, 30, BOTH))
    assert not stale(recording(blinks, WEB2, srv=seen))


def test_what_runs_where_another_had_ended_may_be_named_before_it_is_healthy() -> None:
    checked = task(1, (20, "TASK_RUNNING", None), (28, "TASK_RUNNING", True))
    successor = msgspec.structs.replace(checked, id="web.3")
    seen = spans((0, 10.1, BOTH), (10.2, 20.1, frozenset({TWO})), (20.2, 30, BOTH))
    assert stale(recording(DIES_AT_10, WEB2, srv=seen))
    assert not stale(recording(DIES_AT_10, WEB2, successor, srv=seen))


def test_longest_that_an_answer_named_what_had_ended() -> None:
    seen = spans((0, 10.2, BOTH), (10.3, 30, frozenset({TWO})))
    (took,) = named(recording(DIES_AT_10, WEB2, srv=seen))
    assert round(took, 3) == 0.2


def test_no_answer_is_wrong_unless_the_program_was_broken() -> None:
    seen = (*spans((0, 10, BOTH)), Span(11, 12, 2, NONE, "timeout"), *spans((13, 30, BOTH)))
    (one,) = wrong(recording(WEB1, WEB2, srv=seen))
    assert (one.what, one.said) == ("srv", "timeout")
    fault = Fault(10.5, "stop agent1", programs=frozenset({"agent1"}), until=11.5)
    assert not wrong(recording(WEB1, WEB2, srv=seen, faults=(fault,)))


def test_kernel_of_a_node_that_boots_is_empty_until_its_program_has_started() -> None:
    empty = Span(10, 20, 2, NONE, "no virtual server")
    seen = (*spans((0, 9, BOTH)), empty, *spans((21, 30, BOTH)))
    crash = Fault(9, "crash agent1", nodes=frozenset({"agent1"}), until=11)
    starts = Fault(11, "Pointsman starts", programs=frozenset({"agent1"}), until=20)
    killed = Fault(9, "kill pointsman-agent1", programs=frozenset({"agent1"}), until=20)
    assert not wrong(recording(WEB1, WEB2, kernel=seen, faults=(crash, starts)))
    assert wrong(recording(WEB1, WEB2, kernel=seen, faults=(crash,)))
    assert wrong(recording(WEB1, WEB2, kernel=seen, faults=(killed,)))


def test_nothing_is_wrong_before_an_instance_was_known_or_after_all_ended() -> None:
    starts = task(1, (5, "TASK_RUNNING", None), (20, "TASK_KILLED", None))
    seen = spans((0, 5.2, NONE), (5.3, 20, frozenset({ONE})), (20.1, 30, NONE))
    assert not wrong(recording(starts, kernel=seen, srv=seen))


def test_while_nobody_can_know_answers_stay_as_they_are() -> None:
    fault = Fault(10, "pause the master", blind=True, until=20)
    seen = spans((0, 14, BOTH), (14.1, 18, frozenset({TWO})), (18.1, 30, BOTH))
    one, other = wrong(recording(WEB1, WEB2, srv=seen, faults=(fault,)))
    assert one.said == other.said == "10.31.0.11:31001 changed while nobody could know"
    paused = Fault(11, "pause web.1", tasks=frozenset({"web.1"}), until=19)
    assert not wrong(recording(WEB1, WEB2, srv=seen, faults=(fault, paused)))


def test_at_the_end_all_is_as_the_tasks_are() -> None:
    found = disagreements(recording(WEB1, kernel=spans((0, 30, frozenset({TWO})))))
    assert [(one.what, one.lacks, one.extra) for one in found] == [
        ("kernel", frozenset({ONE}), frozenset({TWO})),
        ("srv", NONE, frozenset({TWO})),
    ]
    lasts = Fault(20, "stop agent1", programs=frozenset({"agent1"}))
    assert not disagreements(recording(WEB1, kernel=spans((0, 30, NONE)), faults=(lasts,)))


def test_kernel_of_an_ipv4_vip_has_the_ipv4_endpoints() -> None:
    dual = Task("web.1", "agent1", (ONE, ("fd00::11", 31_001)), (Moment(*ALWAYS),))
    srv = spans((0, 30, frozenset(dual.endpoints)))
    assert not disagreements(recording(dual, kernel=spans((0, 30, frozenset({ONE}))), srv=srv))


ZONES = {"agent1": "a", "agent2": "b"}


def test_kernel_follows_its_own_zone_and_has_the_other_while_that_has_none() -> None:
    far = task(2, ALWAYS, (5.0, "TASK_FAILED", None), (7.0, "TASK_RUNNING", None))
    kernel = spans((0, 10.2, frozenset({ONE})), (10.3, 30, frozenset({TWO})))
    seen = msgspec.structs.replace(recording(DIES_AT_10, far, kernel=kernel), zones=ZONES)

    followed_ = [(one.change.at, one.when) for one in followed(seen) if one.what == "kernel"]
    assert followed_ == [(10.0, 10.3)]
    assert "kernel" not in {one.what for one in disagreements(seen)}


def test_kernel_that_has_the_other_zone_beside_its_own_disagrees() -> None:
    seen = msgspec.structs.replace(recording(WEB1, WEB2), zones=ZONES)

    (one,) = disagreements(seen)
    assert (one.what, one.lacks, one.extra) == ("kernel", NONE, frozenset({TWO}))


def test_instance_of_another_zone_that_is_needed_no_more_need_not_be_followed() -> None:
    near = task(1, (-10.0, "TASK_FAILED", None), (20.2, "TASK_RUNNING", None))
    far = task(2, (20.0, "TASK_RUNNING", None))
    kernel = spans((0, 20.2, NONE), (20.3, 30, frozenset({ONE})))
    seen = msgspec.structs.replace(recording(near, far, kernel=kernel), zones=ZONES)

    first, _ = (one for one in followed(seen) if one.what == "kernel")
    assert (first.change.task, first.when, first.reason) == (far, None, "changed again")


def test_expectation_that_was_not_met_is_a_problem() -> None:
    notes = Note(3.0, "scale web 5"), Note(9.0, "web.lab:5: expect web 5: 3 serve", unmet=True)
    seen = msgspec.structs.replace(recording(WEB1, WEB2), notes=notes)
    assert verdict(seen).problems == ("web.lab:5: expect web 5: 3 serve",)


def test_problems_are_sentences() -> None:
    two = frozenset({TWO})
    seen = spans((0, 1, BOTH), (10.3, 12, two), (12.1, 12.5, BOTH), (12.6, 25, two), (26, 30, NONE))
    found = verdict(
        recording(DIES_AT_10, WEB2, kernel=seen, srv=seen, requests=(failed(20, 20.5),))
    )
    assert found.problems == (
        "web from client: 1 request failed without excuse, at 20.00 s: refused",
        f"DNS of agent1 named web.1 (10.31.0.11:31001) again from 12.10 to 12.50 s{LATER}",
        "the kernel of agent1: empty from 26.00 to 30.00 s",
        "DNS of agent1: empty from 26.00 to 30.00 s",
        "at the end the kernel of agent1 lacks web.2 (10.31.0.12:31002)",
        "at the end DNS of agent1 lacks web.2 (10.31.0.12:31002)",
    )


SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=25, deadline=None)


def simulated(seed: int, delay: float = 0.4) -> Recording:
    return Simulation(seed, seconds=50, agents=3, rate=5, delay=delay).recording()


@FEW
@given(SEEDS)
def test_views_that_follow_in_time_have_no_problems(seed: int) -> None:
    assert not verdict(simulated(seed)).problems


@FEW
@given(SEEDS)
def test_views_that_follow_at_once_took_no_longer_than_a_look(seed: int) -> None:
    figures = verdict(simulated(seed, delay=0)).figures
    assert figures.kernel_max is not None
    assert figures.dns_max is not None
    assert figures.kernel_max < 0.05
    assert figures.dns_max < 0.2


@FEW
@given(SEEDS, st.floats(0, 50), st.floats(0, 2))
def test_failed_request_is_excused_or_late(seed: int, at: float, lasts: float) -> None:
    found = simulated(seed)
    load = found.loads[0]
    request = failed(found.began + at, found.began + at + lasts)
    planted = msgspec.structs.replace(load, requests=(*load.requests, request))
    found = msgspec.structs.replace(found, loads=(planted,))
    reasons = excused(found, planted)
    bad = [one for one in planted.requests if one.error]
    assert {one for _, one in late(found)} == {r for r in bad if not is_excused(r, reasons)}
    meets = any(since <= request.end and request.start <= until for since, until in reasons)
    assert is_excused(request, reasons) == meets


@FEW
@given(SEEDS, st.data())
def test_planted_stale_answer_is_found(seed: int, data: st.DataObject) -> None:
    found = simulated(seed)
    ended = [
        (task_, task_.moments[-1].at)
        for task_ in found.tasks
        if task_.moments[-1].state == "TASK_FAILED"
    ]
    view = data.draw(st.sampled_from([view for view in found.views if view.what == "srv"]))
    dead, at = data.draw(st.sampled_from(ended))
    broken = [lasting(fault) for fault in found.faults if view.node in fault.programs]
    after = [
        number
        for number, span in enumerate(view.spans)
        if span.first > at + 0.5 and not span.status and dead.endpoints[0] not in span.endpoints
    ]
    assume(after and not any(since <= at <= until for since, until in broken))
    spans_ = list(view.spans)
    split = spans_[data.draw(st.sampled_from(after))]
    middle = (split.first + split.last) / 2
    place = spans_.index(split)
    spans_[place : place + 1] = [
        msgspec.structs.replace(split, last=middle - 0.01),
        Span(middle, middle, 1, split.endpoints | {dead.endpoints[0]}),
    ]
    changed = msgspec.structs.replace(view, spans=tuple(spans_))
    views = tuple(changed if one is view else one for one in found.views)
    (one,) = stale(msgspec.structs.replace(found, views=views))
    assert (one.node, one.task, one.first) == (view.node, dead.id, middle)


@FEW
@given(SEEDS, st.floats(2, 48), st.sampled_from(["NXDOMAIN", "empty", "SERVFAIL", "timeout"]))
def test_planted_wrong_answer_is_found(seed: int, at: float, status: str) -> None:
    found = simulated(seed)
    at += found.began
    view = next(view for view in found.views if (view.node, view.what) == ("agent1", "srv"))
    assume(
        not any(
            fault.at - 1 <= at <= lasting(fault)[1] + 6
            for fault in found.faults
            if "agent1" in fault.programs | fault.nodes
        )
    )
    before = [span for span in view.spans if span.first < at]
    planted = msgspec.structs.replace(
        view,
        spans=(
            *before[:-1],
            msgspec.structs.replace(before[-1], last=min(before[-1].last, at - 0.01)),
            Span(at, at, 2, NONE, status),
            *(span for span in view.spans if span.first > at),
        ),
    )
    views = tuple(planted if one is view else one for one in found.views)
    found = msgspec.structs.replace(found, views=views)
    assert (status, at) in [(one.said, one.first) for one in wrong(found)]
