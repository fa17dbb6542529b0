import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointlab.faults.faults import KINDS
from pointlab.scenario import script, walk
from pointlab.scenario.script import Break, Heal, Run, Scale, Step
from pointlab.scenario.walk import Fault, Now
from pointlab.site import topology
from pointlab.site.topology import Topology

SEEDS = st.integers(0, 10_000)
TOPOLOGIES = st.sampled_from([topology.load("small"), topology.load("flat")])


def steps(seed: int, number: int, where: Topology) -> tuple[Step, ...]:
    return walk.chapter(seed, number, where).steps


def states(seed: int, where: Topology, moves: int = 40) -> list[Now]:
    rng = random.Random(seed)
    found = [Now()]
    for _ in range(moves):
        found.append(walk.move(rng, where, found[-1])[1])
    return found


@given(SEEDS, st.integers(1, 9), TOPOLOGIES)
def test_the_same_seed_is_the_same_walk(seed: int, number: int, where: Topology) -> None:
    assert walk.chapter(seed, number, where) == walk.chapter(seed, number, where)


@given(SEEDS, TOPOLOGIES)
def test_chapter_is_a_scenario_that_can_be_written_down(seed: int, where: Topology) -> None:
    made = walk.chapter(seed, 1, where)

    assert script.parse(walk.written(made), made.name) == made


@given(SEEDS, TOPOLOGIES)
def test_no_node_has_two_faults(seed: int, where: Topology) -> None:
    for now in states(seed, where):
        touched = [node for fault in now.broken for node in fault.touched]
        assert len(touched) == len({*touched})


@given(SEEDS, TOPOLOGIES)
def test_enough_is_left_for_the_rest_to_go_on(seed: int, where: Topology) -> None:
    for now in states(seed, where):
        assert len(now.broken) <= walk.MOST
        assert sum(fault.away for fault in now.broken) <= 1
        assert sum(fault.control for fault in now.broken) <= 1
        assert len(now.broken) == 1 or not any(fault.alone for fault in now.broken)


@given(SEEDS, TOPOLOGIES)
def test_only_what_is_broken_is_healed(seed: int, where: Topology) -> None:
    broken: list[tuple[str, ...]] = []
    for step in steps(seed, 1, where):
        match step.verb:
            case Break(words):
                assert words[0] in KINDS
                broken.append(words)
            case Heal(words):
                broken.remove(words)
            case Scale(_, instances):
                assert instances >= 2
            case _:
                pass


@given(SEEDS, TOPOLOGIES)
def test_framework_which_knows_what_should_run_goes_on(seed: int, where: Topology) -> None:
    (framework,) = where.running("framework")
    kept = ("crash", "black-hole", "partition", "deaf")
    for now in states(seed, where):
        for fault in now.broken:
            kind, target, *_ = fault.words.split()
            assert target != "framework"
            assert kind not in kept or target != framework.name


def test_all_kinds_of_steps_come_up() -> None:
    where = topology.load("flat")
    said = {str(step).split()[0] for seed in range(20) for step in steps(seed, 1, where)}
    broken = {
        step.verb.words[0]
        for seed in range(200)
        for step in steps(seed, 1, where)
        if isinstance(step.verb, Break)
    }

    assert {"run", "watch", "break", "heal", "scale", "roll", "sleep"} <= said
    # A full table of connections takes long to fill.
    assert {*KINDS} - broken == {"conntrack-full"}


def test_app_is_there_before_anything_is_broken() -> None:
    first, second, third, *_ = steps(1, 1, topology.load("small"))

    assert isinstance(first.verb, Run)
    assert [str(second), str(third)][0] == "expect web 3 within 60"


@pytest.mark.parametrize("away", [True, False])
def test_second_agent_is_not_taken_away(away: bool) -> None:
    where = topology.load("small")
    one = Fault("crash agent1", frozenset({"agent1"}), away=True)
    other = Fault("crash agent2", frozenset({"agent2"}), away=away)

    assert walk.fits(other, Now((one,)), where) is not away
