from pathlib import Path

from pointsman.vip.dry import DryOwned, DryRoutes, DryServers, DrySettings
from pointsman.vip.elect import Target
from pointsman.vip.kernel import Kernel
from pointsman.vip.memory import MemoryIpvs
from pointsman.vip.model import DeleteServer, Endpoint, Key, Protocol, RealServer, VirtualServer
from pointsman.vip.owned import Memory
from pointsman.vip.parts import Wants
from pointsman.vip.sysctl import Sysctl

OLD, NEW = Key(Protocol.TCP, "10.1.1.1", 80), Key(Protocol.TCP, "10.1.1.2", 80)
SERVER = VirtualServer(real_servers={Endpoint("10.0.0.1", 80): RealServer()})


def test_a_dry_run_tells_what_it_would_change_and_changes_nothing(tmp_path: Path) -> None:
    servers = MemoryIpvs({OLD: SERVER})
    (tmp_path / "some").write_text("0")
    wants = Wants(sysctls={"some": "1"}, timeouts=(1, 2, 3))
    kernel = Kernel(
        DryServers(servers),
        DryRoutes(),
        None,
        DrySettings(Sysctl(tmp_path)),
        DryOwned(Memory(frozenset({OLD}))),
        wants,
    )
    report = kernel.sync({NEW: Target(SERVER)}, (), 0, whole=True)
    assert [str(change) for change in report.changes] == [
        "add tcp 10.1.1.2:80 wlc",
        "add tcp 10.1.1.2:80 -> 10.0.0.1:80 weight 1",
        "delete tcp 10.1.1.1:80",
    ]
    assert report.changes[-1] == DeleteServer(OLD, SERVER)
    assert servers.table() == {OLD: SERVER}
    assert (servers.sent, servers.timeouts()) == (0, MemoryIpvs().timeouts())
    assert (tmp_path / "some").read_text() == "0"
    assert kernel.look().settings["some"] == "0"
