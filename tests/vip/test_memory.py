import errno

from pointsman.vip.memory import MemoryIpvs
from pointsman.vip.model import (
    AddReal,
    AddServer,
    DeleteReal,
    DeleteServer,
    Endpoint,
    Failure,
    Key,
    Protocol,
    RealServer,
    SetReal,
    SetServer,
    Settings,
    VirtualServer,
)

A = Key(Protocol.TCP, "11.0.0.1", 80)
ONE = Endpoint("10.0.0.1", 31000)


def test_changes_are_made_in_order() -> None:
    memory = MemoryIpvs()
    add, real = AddServer(A, Settings("rr")), AddReal(A, ONE, RealServer(2))
    assert memory.apply([add, real, SetReal(A, ONE, RealServer(0)), SetServer(A, Settings())]) == ()
    assert memory.table() == {A: VirtualServer(Settings(), {ONE: RealServer(0)})}
    assert memory.apply([DeleteReal(A, ONE), DeleteServer(A)]) == ()
    assert memory.table() == {}
    assert memory.sent == 6


def test_what_the_kernel_would_refuse_is_refused_and_the_rest_is_done() -> None:
    add, real = AddServer(A, Settings()), AddReal(A, ONE, RealServer())
    delete = DeleteReal(A, Endpoint("10.0.0.9", 1))
    memory = MemoryIpvs()
    assert memory.apply([real, add, add, real, real, delete]) == (
        Failure(real, errno.ESRCH),
        Failure(add, errno.EEXIST),
        Failure(real, errno.EEXIST),
        Failure(delete, errno.ENOENT),
    )
    assert len(memory.table()[A].real_servers) == 1
