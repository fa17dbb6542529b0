import msgspec
import pytest

from pointsman.healthcheck.verdict import Verdict
from pointsman.vip.backends import Backend, Vip
from pointsman.vip.elect import Place, Target, elect
from pointsman.vip.model import Endpoint, Protocol, RealServer
from pointsman.vip.policy import Policy

LIVE, UNHEALTHY, LOST, KILLING, STARTING = (
    Verdict.LIVE, Verdict.UNHEALTHY, Verdict.LOST, Verdict.KILLING, Verdict.STARTING,
)  # fmt: skip
VIP = Vip(Protocol.TCP, "web.marathon", "", 80)
NOWHERE = Place()
DEFAULT = Policy()
HERE = Place(frozenset({"10.0.0.1"}), "", "eu", "eu-1")


def one(number: int, verdict: Verdict = LIVE, policy: Policy = DEFAULT, **more: object) -> Backend:
    """Return the backend on agent 10.0.0.<number>."""
    endpoint = Endpoint(f"10.0.0.{number}", 31000)
    whole = {"local": endpoint, "agent": endpoint.address, "task_id": f"web.{number}", **more}
    return Backend(VIP, endpoint, verdict=verdict, framework_id="F", policy=policy, **whole)  # type: ignore[arg-type]


def weights(target: Target) -> dict[int, int]:
    """Return weights by the last number of the address."""
    reals = target.server.real_servers.items()
    return {int(e.address.rpartition(".")[2]): real.weight for e, real in reals}


def behind(*verdicts: Verdict, policy: Policy = DEFAULT) -> Target:
    return elect([one(n, v, policy) for n, v in enumerate(verdicts, 1)], NOWHERE)


def test_the_live_take_connections_and_the_others_keep_theirs() -> None:
    # D2IQ-61077: who becomes unhealthy, or is killed, is not cut off
    target = behind(LIVE, UNHEALTHY, KILLING)
    assert weights(target) == {1: 1, 2: 0, 3: 0}
    assert set(target.drains.values()) == {30.0}


def test_dcos_oss_1954_nothing_goes_to_a_task_before_its_first_good_check() -> None:
    assert weights(behind(LIVE, STARTING)) == {1: 1, 2: 0}
    assert weights(behind(STARTING)) == {1: 0}


def test_with_no_live_one_those_that_run_are_used_or_refused_as_the_policy_says() -> None:
    assert weights(behind(UNHEALTHY, UNHEALTHY, KILLING)) == {1: 1, 2: 1, 3: 0}
    assert weights(behind(KILLING)) == {1: 1}
    assert weights(behind(UNHEALTHY, KILLING, policy=Policy(no_live="refuse"))) == {1: 0, 2: 0}


@pytest.mark.parametrize(("panic", "used"), [(50, False), (51, True), (0, False), (100, True)])
def test_below_the_panic_threshold_all_that_run_are_used(panic: int, used: bool) -> None:
    found = weights(behind(LIVE, UNHEALTHY, KILLING, policy=Policy(panic=panic)))
    assert found == {1: 1, 2: int(used), 3: 0}


def test_panic_does_not_overrule_refusing() -> None:
    strict = Policy(panic=90, no_live="refuse")
    assert weights(behind(LIVE, UNHEALTHY, policy=strict)) == {1: 1, 2: 0}


def test_the_time_to_be_killed_is_how_long_connections_may_last() -> None:
    target = elect([one(1), one(2, KILLING, grace=5.0), one(3, UNHEALTHY, grace=5.0)], NOWHERE)
    assert sorted(target.drains.values()) == [5.0, 30.0]


def test_weights_and_thresholds_are_each_real_servers_own() -> None:
    strong = one(1, real=RealServer(5, upper=100, lower=80))
    off = one(2, real=RealServer(0))
    target = elect([strong, off], NOWHERE)
    assert target.server.real_servers[strong.endpoint] == RealServer(5, upper=100, lower=80)
    assert weights(target) == {1: 5, 2: 0}
    assert list(target.drains) == [off.endpoint]


def test_of_two_tasks_that_claim_one_endpoint_the_live_one_counts() -> None:
    target = elect([one(1, KILLING, task_id="old"), one(1, task_id="new")], NOWHERE)
    assert weights(target) == {1: 1}
    assert not target.drains


def test_on_its_own_host_a_real_server_is_reached_there() -> None:
    inner = Endpoint("172.17.0.2", 80)
    mapped = one(1, local=inner)
    assert list(elect([mapped], HERE).server.real_servers) == [inner]
    assert list(elect([mapped], NOWHERE).server.real_servers) == [mapped.endpoint]


def spread(locality: str, near: int = 1, *, without: int = 0) -> set[int]:
    """Return who is used of: 1 on this host, 2 in its zone, 3 in its region, 4 far away."""
    policy = Policy(locality=locality, near=near)
    where = {1: ("eu", "eu-1"), 2: ("eu", "eu-1"), 3: ("eu", "eu-2"), 4: ("us", "us-1")}
    found = [
        one(n, LIVE if n > without else UNHEALTHY, policy, region=region, zone=zone)
        for n, (region, zone) in where.items()
    ]
    return {number for number, weight in weights(elect(found, HERE)).items() if weight}


def test_near_ones_are_preferred_as_far_as_the_policy_says() -> None:
    assert spread("none") == {1, 2, 3, 4}
    assert spread("host") == {1}
    assert spread("zone") == {1, 2}
    assert spread("region") == {1, 2, 3}


def test_too_few_near_ones_spill_over_to_the_next_nearest() -> None:
    assert spread("host", without=1) == {2}
    assert spread("host", without=2) == {3}
    assert spread("host", without=3) == {4}
    assert spread("host", near=2) == {1, 2}
    assert spread("zone", near=3) == {1, 2, 3}
    assert spread("region", near=9) == {1, 2, 3, 4}


def test_who_becomes_too_far_keeps_its_connections_for_a_while() -> None:
    policy = Policy(locality="host")
    target = elect([one(1, policy=policy), one(2, policy=policy)], HERE)
    assert target.drains == {Endpoint("10.0.0.2", 31000): 30.0}


def test_without_a_fault_domain_only_this_host_is_near() -> None:
    place = Place(frozenset({"10.0.0.1"}))
    policy = Policy(locality="zone")
    found = elect([one(1, policy=policy), one(2, policy=policy)], place)
    assert weights(found) == {1: 1, 2: 0}


def test_kubernetes_121591_nodes_that_take_turns_begin_with_different_real_servers() -> None:
    many = [one(n) for n in range(1, 20)]

    def firsts(scheduler: str) -> set[Endpoint]:
        behind = [msgspec.structs.replace(b, policy=Policy(scheduler)) for b in many]
        places = (Place(name=f"10.9.0.{n}") for n in range(20))
        return {next(iter(elect(behind, place).server.real_servers)) for place in places}

    assert len(firsts("rr")) > 5
    assert firsts("mh") == {many[0].endpoint}


def test_who_is_lost_is_out_at_once_with_its_connections() -> None:
    target = behind(LIVE, LOST, UNHEALTHY)
    assert weights(target) == {1: 1, 3: 0}
    assert set(target.drains) == {Endpoint("10.0.0.3", 31000)}


def test_with_no_live_one_the_lost_are_used_like_the_others_that_run() -> None:
    # Most likely it is this node that is cut off.
    assert weights(behind(LOST, UNHEALTHY, KILLING, STARTING)) == {1: 1, 2: 1, 3: 0, 4: 0}
    assert weights(behind(LOST, LOST)) == {1: 1, 2: 1}
    assert weights(behind(LOST, LOST, policy=Policy(no_live="refuse"))) == {}


def test_of_two_tasks_that_claim_one_endpoint_a_sick_one_counts_before_a_lost_one() -> None:
    target = elect([one(1, LOST, task_id="a"), one(1, UNHEALTHY, task_id="b"), one(2)], NOWHERE)
    assert weights(target) == {1: 0, 2: 1}


def course(*steps: tuple[float, str], policy: Policy = DEFAULT) -> list[tuple[bool, float | None]]:
    """Return whether it is open and until when, step by step: L is live, X unhealthy."""
    target, found = None, []
    for now, verdicts in steps:
        each = enumerate(verdicts, 1)
        members = [one(n, LIVE if v == "L" else UNHEALTHY, policy) for n, v in each]
        target = elect(members, NOWHERE, target, now)
        assert all(weights(target).values()) or not target.open
        found.append((target.open, target.settles))
    return found


SOON = Policy(recover=3)


def test_the_first_that_come_back_have_help_until_all_are_there() -> None:
    steps = ((0, "LLLL"), (1, "XXXX"), (2, "LXXX"), (3, "LLLX"), (4, "LLLL"))
    assert course(*steps, policy=SOON) == [
        (False, None), (True, None), (True, 5), (True, 5), (False, None),
    ]  # fmt: skip


def test_the_first_that_come_back_are_left_alone_after_a_while() -> None:
    assert course((1, "XXXX"), (2, "LXXX"), (4.9, "LXXX"), (5, "LXXX"), policy=SOON) == [
        (True, None), (True, 5), (True, 5), (False, None),
    ]  # fmt: skip


def test_a_setback_gives_them_the_whole_time_again() -> None:
    assert course((1, "XXXX"), (2, "LXXX"), (3, "XXXX"), (4, "LXXX"), policy=SOON) == [
        (True, None), (True, 5), (True, None), (True, 7),
    ]  # fmt: skip


def test_without_a_time_to_recover_it_ends_at_once() -> None:
    assert course((1, "XXXX"), (2, "LXXX"), policy=Policy(recover=0)) == [
        (True, None),
        (False, None),
    ]


def test_who_never_had_none_gets_no_help() -> None:
    assert course((1, "LXXX"), policy=SOON) == [(False, None)]


def test_a_panic_ends_only_clearly_above_its_threshold() -> None:
    policy = Policy(panic=50, recover=3)
    steps = ((1, "LLLLXXXXXX"), (2, "LLLLLXXXXX"), (3, "LLLLLLXXXX"), (6, "LLLLLLXXXX"))
    assert course(*steps, policy=policy) == [
        (True, None), (True, None), (True, 6), (False, None),
    ]  # fmt: skip
    low = Policy(panic=20, recover=3)
    steps = ((1, "LXXXXXXXXX"), (2, "LLXXXXXXXX"), (3, "LLLXXXXXXX"), (6, "LLLXXXXXXX"))
    assert course(*steps, policy=low) == [
        (True, None), (True, None), (True, 6), (False, None),
    ]  # fmt: skip
    assert course((1, "LX"), (2, "LL"), policy=Policy(panic=100)) == [(True, None), (False, None)]


@pytest.mark.parametrize(
    ("most", "used"),
    [
        (100, {1}), (80, {1}), (79, {1, 5}), (60, {1, 5}), (59, {1, 4, 5}), (39, {1, 3, 4, 5}),
        (1, {1, 3, 4, 5}),  # one may always be
            (0, {1, 2, 3, 4, 5}),  # unless none may
    ],
)  # fmt: skip
def test_no_more_are_taken_out_than_the_policy_says_and_those_first_that_failed_first(
    most: int, used: set[int]
) -> None:
    policy = Policy(max_ejected=most)
    failed = [one(n, UNHEALTHY, policy, since=float(n)) for n in (5, 4, 3, 2)]
    found = elect([one(1, LIVE, policy), *failed], NOWHERE)
    assert {number for number, weight in weights(found).items() if weight} == used


def test_who_is_spared_is_used_though_it_is_lost_and_who_is_killed_is_not() -> None:
    policy = Policy(max_ejected=10)
    found = elect(
        [
            one(1, LIVE, policy), one(2, LOST, policy, since=1.0), one(3, LOST, policy, since=2.0),
            one(4, KILLING, policy), one(5, STARTING, policy),
        ],
        NOWHERE,
    )  # fmt: skip
    assert weights(found) == {1: 1, 3: 1, 4: 0, 5: 0}
