from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from offers import filled, free_ports, scalar, suits_best, take_ports, task_info

OFFER = {
    "id": {"value": "O1"},
    "agent_id": {"value": "S1"},
    "hostname": "10.0.0.11",
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 10, "end": 12}]}},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 20, "end": 20}]}},
    ],
}


def test_offer_is_added_up() -> None:
    assert free_ports(OFFER) == [[10, 12], [20, 20]]
    assert scalar(OFFER, "cpus") == 4.0
    assert scalar(OFFER, "mem") == 0.0


def test_ports_by_number_come_in_order_across_ranges() -> None:
    free = free_ports(OFFER)

    assert take_ports(free, 4) == [10, 11, 12, 20]
    assert free == []


def test_port_by_name_leaves_the_others() -> None:
    free = free_ports(OFFER)

    assert take_ports(free, [11]) == [11]
    assert free == [[10, 10], [12, 12], [20, 20]]


def test_more_ports_than_there_are_take_none() -> None:
    free = free_ports(OFFER)

    assert take_ports(free, 5) is None
    assert take_ports(free, [13]) is None
    assert free == free_ports(OFFER)


@given(st.lists(st.integers(0, 4), max_size=6))
def test_no_port_is_given_twice(wants: list[int]) -> None:
    free = [[1, 5], [8, 12]]

    taken = [port for want in wants for port in take_ports(free, want) or []]

    assert Counter(taken).most_common(1)[:1] in ([], [(taken[0], 1)] if taken else [])
    assert set(taken) <= {*range(1, 6), *range(8, 13)}


def test_instances_go_to_the_agents_with_the_fewest() -> None:
    assert suits_best("b", "abc", ["a"])
    assert not suits_best("a", "abc", ["a"])
    assert suits_best("a", "abc", ["a", "b", "c"])


def test_replacement_goes_elsewhere_even_if_it_is_fuller_there() -> None:
    assert not suits_best("a", "abc", ["b", "c"], avoid="a")
    assert suits_best("b", "abc", ["b", "c"], avoid="a")


def test_task_info_has_the_ports_where_they_are_asked_for() -> None:
    discovery = {"name": "web", "ports": {"ports": [{"number": "$0"}, {"number": "$1"}]}}
    spec = {"id": "web.1", "name": "web", "cmd": "run", "discovery": discovery}

    info = task_info(spec, OFFER, [10, 20])

    assert info["discovery"]["ports"]["ports"] == [{"number": 10}, {"number": 20}]
    assert {"name": "PORT1", "value": "20"} in info["command"]["environment"]["variables"]
    assert discovery["ports"] == {"ports": [{"number": "$0"}, {"number": "$1"}]}


def test_shared_executor_runs_the_task_without_a_command() -> None:
    info = task_info({"id": "many.1", "executor": "shared"}, OFFER, [])

    assert info["executor"]["executor_id"] == {"value": "shared"}
    assert "command" not in info


def test_raw_fields_win_and_null_takes_one_away() -> None:
    spec = {"id": "x", "raw": {"name": "other", "command": None}}

    info = task_info(spec, OFFER, [])

    assert info["name"] == "other"
    assert "command" not in info


def test_dollars_that_are_no_port_stay() -> None:
    assert filled(["$0", "$HOME", "a$0", 1], [7]) == [7, "$HOME", "a$0", 1]


def test_port_mapping_of_a_container_has_the_host_port() -> None:
    mapping = {"host_port": "$0", "container_port": 8080}
    container = {"type": "MESOS", "network_infos": [{"port_mappings": [mapping]}]}

    info = task_info({"id": "web.1", "raw": {"container": container}}, OFFER, [11])

    (found,) = info["container"]["network_infos"][0]["port_mappings"]
    assert found == {"host_port": 11, "container_port": 8080}
