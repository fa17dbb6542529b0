from typing import Any

from pointsman.discovery.model import Agent, Task
from pointsman.testing import discovery, port, task
from pointsman.vip.addresses import Range
from pointsman.vip.model import Endpoint, Key, Protocol, RealServer, Settings, VirtualServer
from pointsman.vip.wanted import Wanted, backends, wanted

V4 = Range("11.0.0.0", "11.255.255.255")
V6 = Range("fd01:c::", "fd01:c::ffff:ffff:ffff:ffff")
A1, A2 = Agent("S1", "10.0.0.11", 5051), Agent("S2", "10.0.0.12", 5051)


def web(id_: str = "web.1", agent: Agent = A1, vip: str = "/web:80", **changes: Any) -> Task:
    return task(id_, agent, discovery=discovery("web", port(31000, VIP_0=vip)), **changes)


def derive(*tasks: Task, ranges: tuple[Range, ...] = (V4, V6)) -> Wanted:
    return wanted((b for t in tasks for b in backends(t)[0]), ranges, Settings())


def test_instances_stand_behind_one_virtual_server() -> None:
    result = derive(web("web.1", A1), web("web.2", A2))
    (address,) = result.names["web.marathon"]
    assert result.table == {
        Key(Protocol.TCP, address, 80): VirtualServer(
            Settings(),
            {
                Endpoint("10.0.0.11", 31000): RealServer(1),
                Endpoint("10.0.0.12", 31000): RealServer(1),
            },
        )
    }


def test_all_ports_of_a_name_share_its_address() -> None:
    listed = discovery("web", port(1, VIP_0="/web:80"), port(2, VIP_0="/web:443"))
    keys = derive(task(discovery=listed)).table
    assert {k.port for k in keys} == {80, 443}
    assert len({k.address for k in keys}) == 1


def test_an_address_vip_merges_over_frameworks_and_a_named_one_does_not() -> None:
    one = web("a", vip="10.1.1.1:80")
    other = web("b", A2, vip="10.1.1.1:80", framework_id="F2", framework="chronos")
    (server,) = derive(one, other).table.values()
    assert len(server.real_servers) == 2
    other = web("b", A2, framework_id="F2", framework="chronos")
    assert set(derive(web("a"), other).names) == {"web.marathon", "web.chronos"}


def test_a_named_vip_of_both_families_has_an_address_of_each() -> None:
    both = web(addresses=("9.0.2.5", "fd01:b::5"))
    result = derive(both)
    assert [":" in a for a in result.names["web.marathon"]] == [False, True]
    for key, server in result.table.items():
        assert all((":" in e.address) == (key.family == 6) for e in server.real_servers)


def test_an_address_vip_takes_backends_of_its_family_only() -> None:
    (server,) = derive(web(vip="10.1.1.1:80", addresses=("9.0.2.5", "fd01:b::5"))).table.values()
    assert list(server.real_servers) == [Endpoint("9.0.2.5", 31000)]


def test_a_family_without_a_range_has_no_names() -> None:
    result = derive(web(addresses=("fd01:b::5",)), ranges=(V4,))
    assert (result.table, result.names) == ({}, {})


def test_a_host_port_leads_to_the_agent() -> None:
    mapped = discovery("web", port(31000, VIP_0="/web:80", **{"network-scope": "host"}))
    (server,) = derive(task(addresses=("172.17.0.2",), discovery=mapped)).table.values()
    assert list(server.real_servers) == [Endpoint("10.0.0.11", 31000)]


def test_a_task_that_is_ending_or_unhealthy_keeps_its_connections() -> None:
    for ending in (web(state="TASK_KILLING"), web(healthy=False)):
        (server,) = derive(ending).table.values()
        assert list(server.real_servers.values()) == [RealServer(0)]


def test_a_task_that_has_ended_has_no_real_server() -> None:
    assert derive(web(state="TASK_FAILED")).table == {}


def test_where_two_tasks_claim_one_endpoint_the_live_one_counts() -> None:
    (server,) = derive(web("old", state="TASK_KILLING"), web("new")).table.values()
    assert list(server.real_servers.values()) == [RealServer(1)]


def test_a_full_range_leaves_a_name_out_with_a_note() -> None:
    two = Range("11.0.0.0", "11.0.0.1")
    result = derive(*(web(n, vip=f"/{n}:80") for n in "abc"), ranges=(two,))
    assert set(result.names) == {"a.marathon", "b.marathon"}
    assert [str(n) for n in result.notes] == [
        "VIP c.marathon: no address is left in the range 11.0.0.0-11.0.0.1"
    ]


def test_a_framework_whose_name_leaves_nothing_has_no_named_vips() -> None:
    found, notes = backends(web(framework="é"))
    assert found == ()
    assert "VIP web has no name" in notes[0].why
    assert len(backends(web(framework="é", vip="10.1.1.1:80"))[0]) == 1


def test_who_stands_behind_a_virtual_server_is_told() -> None:
    (members,) = derive(web()).backends.values()
    assert [(b.task_id, b.framework_id, b.agent) for b in members] == [("web.1", "F1", "10.0.0.11")]
