import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.scenario import script
from pointlab.scenario.script import Break, Expect, Health, Run, ScriptError, Watch
from pointlab.site import topology

TEXT = """
# A web server dies.
#
# And another
# comes.
topology small
short

run web --instances 2 --check "http /"
watch web --from client --from agent1 --keep  # and look
break kill web.1
expect web 2 within 5
"""


def test_file_is_read_step_by_step() -> None:
    read = script.parse(TEXT, "dies")

    assert (read.name, read.topology, read.short) == ("dies", "small", True)
    assert read.about == "A web server dies.\n\nAnd another comes."
    assert read.title == "A web server dies"
    assert [step.verb for step in read.steps] == [
        Run("web", instances=2, check="http /"),
        Watch("web", sources=("client", "agent1"), keep=True),
        Break(("kill", "web.1")),
        Expect("instances", "web", 2.0, 5.0),
    ]
    assert [step.line for step in read.steps] == [9, 10, 11, 12]


def test_before_peers_clients_alone_ask() -> None:
    read = script.before_peers(script.parse(TEXT.replace("short", "peers"), "dies"))

    assert read.peers
    assert not read.short
    assert read.topology == "peers"
    assert str(read.steps[1]) == "watch web"
    assert read.steps[1].verb == Watch("web")


@pytest.mark.parametrize("name", [n for n in script.names() if script.load(n).peers])
def test_scenarios_for_peers_name_what_that_topology_has(name: str) -> None:
    read = script.before_peers(script.load(name))
    there = {*topology.load(read.topology).nodes, "leader", "zookeeper", "others"}

    for step in read.steps:
        if isinstance(step.verb, Break):
            for word in step.verb.words[1:]:
                assert word in there or word.partition("@")[0].partition(".")[0] == "web"


def test_step_is_printed_as_it_is_written() -> None:
    read = script.parse(TEXT, "dies")

    assert str(read.steps[0]) == 'run web --instances 2 --check "http /"'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("brek kill web.1", "no step 'brek'; did you mean 'break'?"),
        ("run", "run APP: APP is missing"),
        ("run web --instance 3", "run APP: no option --instance; did you mean '--instances'?"),
        ("run web --instances", "run APP: --instances needs a value"),
        ("scale web many", "scale APP INSTANCES: Expected `int`"),
        ("scale web -1", "scale APP INSTANCES: Expected `int` >= 0"),
        ("scale web 3 4", "scale APP INSTANCES: '4' is too much"),
        ("break", "break what?"),
        ("expect", "expect what? there are: expect APP N"),
        ("expect web 3 within soon", "'soon' is no number"),
        ("run 'web", "No closing quotation"),
        ("topology flat", "no step 'topology'"),
    ],
)
def test_what_can_not_be_read_is_named_with_its_line(line: str, problem: str) -> None:
    with pytest.raises(ScriptError) as raised:
        script.parse(f"topology small\nrun web\n{line}\n", "x")

    assert str(raised.value).startswith(f"x.lab:3: {problem}")


def test_topology_comes_first() -> None:
    with pytest.raises(ScriptError, match=r"x\.lab:1: `topology NAME` comes first"):
        script.parse("run web\n", "x")


def test_scenario_without_a_step_is_none() -> None:
    with pytest.raises(ScriptError, match=r"x\.lab: has no step"):
        script.parse("topology small\n", "x")


def test_unknown_scenario_is_said_with_the_one_that_is_meant() -> None:
    with pytest.raises(ScriptError, match="no scenario 'rollin'; did you mean 'rolling'"):
        script.load("rollin")


@pytest.mark.parametrize(("word", "healthy"), [("true", True), ("false", False), ("null", None)])
def test_health_is_true_false_or_what_is_so(word: str, healthy: bool | None) -> None:
    assert script.step(["health", "web.1", word]).verb == Health("web.1", healthy)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("web@agent2 gone", Expect("gone", "web@agent2")),
        ("web.4 there within 3", Expect("there", "web.4", within=3.0)),
        ("unchanged 5", Expect("unchanged", number=5.0)),
        ("leader within 20", Expect("leader", within=20.0)),
        ("failed 0", Expect("failed")),
        ("agreement", Expect("agreement")),
        ("web reachable", Expect("reachable", "web")),
    ],
)
def test_what_can_be_expected(said: str, expected: Expect) -> None:
    assert script.step(["expect", *said.split()]).verb == expected


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_printed_step_is_read_as_itself(words: list[str]) -> None:
    step = script.step(["break", *words])

    assert script.step(script.words(str(step))) == step


@given(st.lists(st.sampled_from(["run", "web", "--keep", "expect", "3", "within", "--from", "x"])))
def test_any_words_are_a_step_or_an_error(words: list[str]) -> None:
    with contextlib.suppress(ScriptError):
        assert str(script.step(words))


@pytest.mark.parametrize("name", script.names())
def test_each_scenario_of_the_lab_can_be_done(name: str) -> None:
    read = script.load(name)

    assert read.about
    assert topology.load(read.topology)
