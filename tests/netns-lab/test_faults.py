from collections.abc import Sequence

import msgspec
import pytest
import web
from hypothesis import given
from hypothesis import strategies as st

from pointlab.faults.breaking import table
from pointlab.faults.faults import (
    KINDS,
    LEADERLESS,
    Facts,
    can_lead,
    concern_leader,
    node_of,
    parse,
    to_heal,
)
from pointlab.faults.journal import Broken
from pointlab.site import topology
from pointlab.watch.recording import Fault

FLAT = topology.load("flat")
SMALL = topology.load("small")
FACTS = Facts(
    topology=FLAT,
    processes=dict.fromkeys(
        ["zookeeper", "master1", "master2", "master3", "agent1", "framework", "pointsman-agent1"],
        True,
    )
    | {"pointsman-edge": False},
    tasks={"web.10": "agent2", "web.2": "agent2", "web.3": "agent1", "db.1": "agent2"},
    leader="master2",
)
EXAMPLES = [
    "kill leader", "stop web.3", "restart pointsman-edge", "pause web@agent2", "crash agent1",
    "black-hole agent2", "delay agent1 100 10", "loss agent1 5", "duplicate agent1 1",
    "partition agent1 agent2,agent3", "deaf agent1,agent2 others", "clock -3600",
    "disk-full edge", "conntrack-full client", "clear edge", "wipe edge",
]  # fmt: skip


def broken(words: str, facts: Facts = FACTS, at: float = 5.0) -> Broken:
    return parse(words.split(), facts, at)[0]


def after(*words: str) -> Facts:
    """Return the facts once this is broken."""
    facts = FACTS
    for one in words:
        lasting = (*facts.lasting, *parse(one.split(), facts, 1.0))
        facts = msgspec.structs.replace(facts, lasting=lasting)
    return facts


def test_each_kind_has_an_example_and_is_listed() -> None:
    assert [example.split()[0] for example in EXAMPLES] == list(KINDS)
    for kind in KINDS.values():
        assert kind.usage in table()


@pytest.mark.parametrize("example", EXAMPLES)
def test_fault_begins_now_and_has_the_words_that_were_said(example: str) -> None:
    fault = broken(example, at=7.0).fault

    assert (fault.at, fault.words) == (7.0, example)


@pytest.mark.parametrize(
    ("words", "plain", "expected"),
    [
        (
            "kill web.3",
            "kill web.3",
            Fault(5.0, "kill web.3", tasks=frozenset({"web.3"}), ended=frozenset({"web.3"})),
        ),
        (
            "stop web.3",
            "stop web.3",
            Fault(
                5.0,
                "stop web.3",
                tasks=frozenset({"web.3"}),
                ended=frozenset({"web.3"}),
                takes=web.MOST,
            ),
        ),
        ("stop agent1", "stop agent1", Fault(5.0, "stop agent1")),
        ("kill agent1", "kill agent1", Fault(5.0, "kill agent1")),
        (
            "pause pointsman-agent1",
            "pause pointsman-agent1",
            Fault(5.0, "pause pointsman-agent1", programs=frozenset({"agent1"})),
        ),
        (
            "crash agent1",
            "crash agent1",
            Fault(5.0, "crash agent1", nodes=frozenset({"agent1"}), ended=frozenset({"web.3"})),
        ),
        ("delay agent1 50", "delay agent1 50", Fault(5.0, "delay agent1 50")),
        (
            "delay agent1 400 100",
            "delay agent1 400 100",
            Fault(5.0, "delay agent1 400 100", nodes=frozenset({"agent1"})),
        ),
        ("loss edge 1", "loss edge 1", Fault(5.0, "loss edge 1", nodes=frozenset({"edge"}))),
        ("duplicate edge 1", "duplicate edge 1", Fault(5.0, "duplicate edge 1")),
        ("disk-full edge", "disk-full edge", Fault(5.0, "disk-full edge")),
        ("kill zookeeper", "kill zookeeper", Fault(5.0, "kill zookeeper", blind=True)),
        (
            # It is looked at every ten seconds.
            "clear edge",
            "clear edge",
            Fault(5.0, "clear edge", nodes=frozenset({"edge"}), until=20.0),
        ),
    ],
)
def test_fault_names_what_cannot_work_meanwhile(words: str, plain: str, expected: Fault) -> None:
    assert broken(words) == Broken(expected, plain)


def test_instance_on_a_node_is_the_oldest_one_of_its_app() -> None:
    assert broken("pause web@agent2").plain == "pause web.2"
    assert broken("pause db@agent2").fault.tasks == {"db.1"}


def test_leader_is_the_master_that_leads_and_nobody_leads_until_another_does() -> None:
    found, consequence = parse(["kill", "leader"], FACTS, 5.0)

    assert found == Broken(Fault(5.0, "kill leader"), "kill master2")
    assert consequence == Broken(Fault(5.0, LEADERLESS, blind=True))


def test_none_can_lead_without_most_of_the_masters() -> None:
    facts = after("kill master1")

    assert can_lead(facts.lasting, FLAT)
    assert broken("crash master3", facts).fault.blind
    assert not can_lead(after("kill master1", "pause master3").lasting, FLAT)


def test_master_that_stands_alone_is_replaced_by_none() -> None:
    facts = Facts(topology=SMALL, processes={"master": True}, leader="master")

    found = parse(["kill", "leader"], facts, 5.0)

    assert found == (Broken(Fault(5.0, "kill leader", blind=True), "kill master"),)


def test_smaller_side_of_a_cut_is_out_of_reach() -> None:
    for words in ("partition agent2,agent3 agent1", "deaf agent1 agent2,agent3"):
        assert broken(words).fault.nodes == {"agent1"}


def test_node_cut_from_the_leader_cannot_follow() -> None:
    fault = broken("partition master2 agent1,agent2,client").fault

    assert fault.programs == {"agent1", "agent2"}
    assert not fault.blind


def test_leader_cut_from_zookeeper_is_replaced() -> None:
    assert [b.fault.words for b in parse(["deaf", "master2", "control"], FACTS, 5.0)] == [
        "deaf master2 control",
        LEADERLESS,
    ]
    assert len(parse(["deaf", "master1", "control"], FACTS, 5.0)) == 1
    assert broken("partition control others").fault.blind


def test_others_are_all_other_nodes() -> None:
    one, other = broken("partition agent1 others").plain.split()[1:]

    assert one == "agent1"
    assert {one, *other.split(",")} == {*FLAT.nodes}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "no kind of fault ''; there are kill, stop"),
        ("brek web.1", "no kind of fault 'brek'; there are kill, stop"),
        ("kill", "kill: say kill T"),
        ("kill a b", "kill a b: say kill T"),
        ("kill web.9", "tasks are db.1, web.10, web.2, web.3"),
        ("kill pointsman-edge", "pointsman-edge does not run"),
        ("kill web@agent3", "no task of 'web' runs on agent3"),
        ("kill web@agent9", "no node 'agent9'; there are control"),
        ("restart web.3", "no process 'web.3'; there are zookeeper"),
        ("crash agent9", "no node 'agent9'"),
        ("delay agent1 soon", "soon: say milliseconds from 0 to 60000"),
        ("delay agent1 nan", "nan: say milliseconds"),
        ("loss agent1 101", "101: say percent from 0 to 100"),
        ("partition agent1 agent1,agent2", "agent1 can't be on both sides"),
        ("clock soon", "soon: say seconds from -31622400 to 31622400"),
        ("clock inf", "inf: say seconds from -31622400 to 31622400"),
        ("disk-full client", "client runs no Pointsman; agent1, agent2, agent3, edge do"),
        ("clear master1", "master1 runs no Pointsman"),
    ],
)
def test_words_that_mean_nothing_are_answered_with_what_there_is(words: str, problem: str) -> None:
    with pytest.raises((LookupError, ValueError)) as refused:
        broken(words)
    assert problem in str(refused.value)


def test_leader_cannot_be_killed_while_none_leads() -> None:
    facts = msgspec.structs.replace(FACTS, leader="")

    for kind in ("kill", "restart"):
        with pytest.raises(LookupError, match="no master leads"):
            broken(f"{kind} leader", facts)


def test_clock_of_the_machine_is_left_alone() -> None:
    facts = msgspec.structs.replace(FACTS, own_kernel=False)

    with pytest.raises(ValueError, match="this machine's own clock would change"):
        broken("clock 10", facts)


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("pause web.2", "pause web@agent2", "pause web.2 lasts already"),
        ("delay agent1 10", "delay agent1 20", "delay agent1 10 lasts already"),
        ("crash agent1", "black-hole agent1", "agent1 has crashed"),
        ("crash agent1", "kill web.3", "agent1 has crashed"),
        ("crash agent1", "deaf agent2,agent1 client", "agent1 has crashed"),
    ],
)
def test_nothing_is_broken_twice(first: str, second: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        broken(second, after(first))


def test_same_words_heal_it_and_so_do_those_with_the_target_found() -> None:
    lasting = after("kill leader", "pause web@agent2").lasting

    for words in ("kill leader", "kill master2"):
        assert [b.plain for b in to_heal(words.split(), lasting)] == ["kill master2"]


def test_without_words_all_is_healed_the_last_first() -> None:
    lasting = after("kill leader", "pause web@agent2", "loss agent1 5").lasting

    healed = [b.fault.words for b in to_heal([], lasting)]

    assert healed == ["loss agent1 5", "pause web@agent2", "kill leader"]


def test_what_is_not_broken_is_answered_with_what_is() -> None:
    with pytest.raises(LookupError, match="'crash agent1' is not broken; broken is: loss edge 5"):
        to_heal(["crash", "agent1"], after("loss edge 5").lasting)


def test_processes_are_found_on_their_nodes() -> None:
    assert [node_of(name, FLAT) for name in ("zookeeper", "pointsman-edge", "master1")] == [
        "control",
        "edge",
        "master1",
    ]


@given(
    st.lists(
        st.sampled_from(
            [*KINDS, *FLAT.nodes, *FACTS.processes, *FACTS.tasks, "leader", "others", "web@agent2",
             "1", "-1", "nan", "agent1,agent2", ",", "@", ""]
        ),
        max_size=4,
    )
)  # fmt: skip
def test_any_words_break_something_that_can_be_healed_or_say_why_not(words: Sequence[str]) -> None:
    try:
        found = parse(words, FACTS, 1.0)
    except (LookupError, ValueError):
        return
    first, *_ = found
    # Its plain words mean the same again, and either way of saying it heals it.
    assert parse(first.plain.split(), FACTS, 1.0)[0].plain == first.plain
    assert to_heal(words, found) == to_heal(first.plain.split(), found) == (first,)


def test_who_leads_is_asked_only_where_it_matters() -> None:
    asked = [words for words in EXAMPLES if concern_leader(words.split(), FLAT)]

    assert asked == ["kill leader", "deaf agent1,agent2 others"]
    for words in ("kill zookeeper", "crash control", "partition agent1 edge,master3"):
        assert concern_leader(words.split(), FLAT)
