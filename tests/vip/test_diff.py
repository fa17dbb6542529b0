from hypothesis import given
from hypothesis import strategies as st

from pointsman.vip.diff import diff, moves
from pointsman.vip.memory import MemoryIpvs
from pointsman.vip.model import (
    AddReal,
    AddServer,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Key,
    Protocol,
    RealServer,
    SetReal,
    SetServer,
    Settings,
    Table,
    VirtualServer,
)

A, B = Key(Protocol.TCP, "11.0.0.1", 80), Key(Protocol.TCP, "11.0.0.2", 80)
FOREIGN = Key(Protocol.TCP, "192.0.2.1", 80)
ONE, TWO, THREE = (Endpoint(f"10.0.0.{n}", 31000) for n in (1, 2, 3))


def ours(key: Key) -> bool:
    return key != FOREIGN


def server(*endpoints: Endpoint, scheduler: str = "wlc", weight: int = 1) -> VirtualServer:
    return VirtualServer(Settings(scheduler), {e: RealServer(weight) for e in endpoints})


def test_a_new_virtual_server_comes_with_its_real_servers() -> None:
    assert diff({}, {A: server(TWO, ONE)}, ours) == (
        AddServer(A, Settings()),
        AddReal(A, TWO, RealServer()),  # in the order given
        AddReal(A, ONE, RealServer()),
    )


def test_a_virtual_server_gains_before_it_loses() -> None:
    before = {A: server(ONE, TWO, scheduler="rr")}
    after = {A: VirtualServer(Settings(), {TWO: RealServer(0), THREE: RealServer()})}
    assert diff(before, after, ours) == (
        SetServer(A, Settings(), Settings("rr")),
        AddReal(A, THREE, RealServer()),
        SetReal(A, TWO, RealServer(0), RealServer()),
        DeleteReal(A, ONE, RealServer()),
    )


def test_what_is_not_wanted_is_deleted_where_it_is_ours() -> None:
    before = {A: server(ONE), FOREIGN: server(TWO)}
    assert diff(before, {}, ours) == (DeleteServer(A, server(ONE)),)


def test_what_is_equal_takes_nothing() -> None:
    assert diff({A: server(ONE)}, {A: server(ONE)}, ours) == ()


def test_under_mh_real_servers_stand_in_order_as_on_every_other_node() -> None:
    before, after = (
        {A: server(ONE, THREE, scheduler="mh")},
        {A: server(ONE, TWO, THREE, scheduler="mh")},
    )
    changes = diff(before, after, ours)
    # Never more than one is missing.
    assert changes == (
        AddReal(A, TWO, RealServer()),
        DeleteReal(A, THREE, RealServer()),
        AddReal(A, THREE, RealServer()),
    )
    assert moves(changes)
    assert diff(after, after, ours) == ()


def test_under_mh_what_goes_and_what_comes_last_moves_nothing() -> None:
    all_ = {A: server(ONE, TWO, THREE, scheduler="mh")}
    some = {A: server(ONE, THREE, scheduler="mh")}
    assert diff(all_, some, ours) == (DeleteReal(A, TWO, RealServer()),)
    last = diff({A: server(ONE, TWO, scheduler="mh")}, all_, ours)
    assert last == (AddReal(A, THREE, RealServer()),)
    assert not moves(last)


keys = st.sampled_from([A, B, FOREIGN, Key(Protocol.UDP, "fd01:c::1", 53)])
servers = st.builds(
    VirtualServer,
    st.builds(Settings, st.sampled_from(["wlc", "rr", "mh"])),
    st.dictionaries(
        st.sampled_from([ONE, TWO, THREE]), st.builds(RealServer, st.integers(0, 3)), max_size=3
    ),
)
tables = st.dictionaries(keys, servers, max_size=4)


@given(tables, tables)
def test_any_table_is_reached_in_one_pass_and_others_stay(actual: Table, wanted: Table) -> None:
    wanted = {key: server for key, server in wanted.items() if ours(key)}
    kernel = MemoryIpvs(actual)
    assert kernel.apply(diff(kernel.table(), wanted, ours)) == ()
    after = kernel.table()
    assert {key: server for key, server in after.items() if ours(key)} == wanted
    assert after.get(FOREIGN) == actual.get(FOREIGN)
    assert diff(after, wanted, ours) == ()
