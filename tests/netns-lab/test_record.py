from pointlab.record import real_servers

TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0BE124C1:0050 wlc  
  -> 0A1F000C:2710      Masq    1      0          2         
  -> 0A1F000B:2710      Masq    0      0          1         
UDP  0BE124C1:0050 wlc  
  -> 0A1F000D:2710      Masq    1      0          0         
TCP  0BE124C1:0051 wlc  
  -> 0A1F000D:2711      Masq    1      0          0         
"""  # noqa: W291 - as the kernel prints it


def test_real_servers_are_those_of_the_virtual_server_with_a_weight() -> None:
    assert real_servers(TABLE, "11.225.36.193", 80) == {("10.31.0.12", 10_000)}
    assert real_servers(TABLE, "11.225.36.193", 81) == {("10.31.0.13", 10_001)}


def test_virtual_server_that_is_not_there_has_none() -> None:
    assert real_servers(TABLE, "11.225.36.193", 82) == set()
    assert real_servers("", "11.225.36.193", 80) == set()
