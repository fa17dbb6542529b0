import msgspec
import pytest

from pointsman.healthcheck.verdict import Verdict
from pointsman.vip.backends import Backend, Vip
from pointsman.vip.elect import Place, Target, elect
from pointsman.vip.model import Endpoint, Protocol, RealServer
from pointsman.vip.policy import Policy

LIVE, UNHEALTHY, KILLING, STARTING = (
    Verdict.LIVE, Verdict.UNHEALTHY, Verdict.KILLING, Verdict.STARTING,
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
