from typing import Any

import msgspec
import pytest

from pointsman.config import Config, DnsConfig, VipConfig
from pointsman.preflight import Facts, Port, judge
from pointsman.preflight_cluster import Asked
from pointsman.preflight_finding import Finding
from pointsman.vip.sync import Sync

GOOD = Facts(
    capabilities=frozenset({"CAP_NET_ADMIN", "CAP_SYS_MODULE"}),
    ports=(Port("dns.listen", "UDP 10.0.0.11:53"),),
    modules={"ip_vs": "loaded", "ip_vs_wlc": "loadable", "dummy": "loadable"},
    sysctls={
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "0",
        "net.ipv4.vs.conntrack": "1",
        "net.ipv4.ip_forward": "0",
        "net.ipv4.conf.all.rp_filter": "1",
    },
    clock=1_800_000_000.0,
    resolvers=("10.0.0.11", "10.0.0.2"),
    own=frozenset({"10.0.0.11"}),
    masters=(Asked("10.0.0.1:5050", "leads"),),
)


def judged(config: Config | None = None, **changes: Any) -> list[Finding]:
    """Return what is not right of the good node with these changes."""
    found = judge(config or Config(), msgspec.structs.replace(GOOD, **changes))
    return [one for one in found if one.level != "ok"]


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


def test_a_good_node_has_nothing_but_what_is_right() -> None:
    assert judged() == []
    what = [one.what for one in judge(Config(), GOOD)]
    assert "UDP 10.0.0.11:53 is free" in what
    assert "net.ipv4.ip_forward is 0; the start sets it to 1" in what
    assert "10.0.0.1:5050 leads" in what


def test_each_finding_says_what_to_do_unless_all_is_right() -> None:
    nothing = judge(Config(), Facts())
    assert {one.level for one in nothing} == {"ok", "warning", "error"}
    assert all(bool(one.todo) == (one.level != "ok") for one in nothing)


def test_files_that_can_not_be_used() -> None:
    found = only(judged(files=("dns.records_file: /x: No such file or directory",)))
    assert (found.level, found.topic) == ("error", "files")
    assert "/x" in found.what


def test_rights() -> None:
    found = only(judged(capabilities=frozenset()))
    assert (found.level, found.topic) == ("error", "rights")
    assert "CAP_NET_ADMIN" in found.what
    inside = Config(vip=VipConfig(namespaces=("/run/netns/a",)))
    assert "CAP_SYS_ADMIN" in only(judged(inside)).what


def test_dns_alone_needs_nothing_of_the_kernel() -> None:
    dns_only = Config(vip=VipConfig(enabled=False))
    assert judged(dns_only, capabilities=frozenset(), modules={}, sysctls={}) == []


def test_a_port_that_another_program_holds() -> None:
    taken = Port("dns.listen", "UDP 0.0.0.0:53", "is taken", "taken")
    assert only(judged(ports=(taken,))).what == (
        "dns.listen: UDP 0.0.0.0:53 is held by a process that root alone can see"
    )
    for holder, todo in (
        ("systemd-resolve (7)", "DNSStubListener=no"),
        ("dnsmasq (7)", "server=/mesos/"),
        ("named (7)", "stop it, or let dns.listen name another address"),
    ):
        found = only(judged(ports=(msgspec.structs.replace(taken, holders=(holder,)),)))
        assert (found.level, holder in found.what) == ("error", True)
        assert todo in found.todo


def test_a_port_that_we_hold_ourselves_is_right() -> None:
    ours = Port("dns.listen", "UDP 0.0.0.0:53", "is taken", "taken", ("pointsman (7)",), ours=True)
    assert judged(ports=(ours,)) == []


def test_a_port_that_is_not_allowed() -> None:
    port = Port("dns.listen", "UDP 10.0.0.11:53", "is not allowed: …", "denied")
    found = only(judged(ports=(port,)))
    assert found.what == "dns.listen: is not allowed: …"
    assert "CAP_NET_BIND_SERVICE" in found.todo
    found = only(judged(ports=(msgspec.structs.replace(port, reason="odd"),)))
    assert found.todo == "mend dns.listen"


def test_an_address_that_is_not_there_yet_is_a_warning() -> None:
    assert only(judged(absent=("no interface has 10.0.0.9 yet",))).level == "warning"


@pytest.mark.parametrize(
    ("state", "capabilities", "words"),
    [
        ("missing", {"CAP_SYS_MODULE"}, "this kernel has no ip_vs"),
        ("loadable", set[str](), "this process may not load it"),
        ("loadable", {"CAP_SYS_MODULE"}, ""),
    ],
)
def test_ip_vs(state: str, capabilities: set[str], words: str) -> None:
    found = judged(
        modules={**GOOD.modules, "ip_vs": state},
        capabilities=frozenset({"CAP_NET_ADMIN", *capabilities}),
    )
    assert [one.level for one in found] == ["error"] * bool(words)
    assert all(words in one.what for one in found)


def test_virtual_servers_that_can_not_be_read() -> None:
    assert only(judged(ipvs="programming IPVS needs CAP_NET_ADMIN")).level == "error"


def test_modules_that_are_not_there_and_programs() -> None:
    mh = Config(vip=VipConfig(scheduler="mh,mh-port"))
    assert "ip_vs_mh" in only(judged(mh)).what
    found = only(judged(missing=("iptables", "ipset")))
    assert found.todo.startswith("apt-get install iptables ipset")
    bare = Config(vip=VipConfig(masquerade=False, protect=False))
    assert judged(bare, missing=("iptables", "ipset")) == []


def test_settings_that_can_not_be_written() -> None:
    found = only(judged(fixed=frozenset({"net.ipv4.ip_forward", "net.ipv4.vs.conntrack"})))
    assert found.todo.startswith("sysctl -w net.ipv4.ip_forward=1")
    without = {k: v for k, v in GOOD.sysctls.items() if k != "net.ipv4.vs.conntrack"}
    assert only(judged(sysctls=without)).what == "this kernel has no net.ipv4.vs.conntrack"
    not_yet = {**GOOD.modules, "ip_vs": "loadable"}
    assert judged(sysctls=without, modules=not_yet) == []


def test_rp_filter_matters_where_real_servers_answer_clients_themselves() -> None:
    direct = Config(vip=VipConfig(forwarding="direct"))
    assert only(judged(direct)).todo.startswith("sysctl -w net.ipv4.conf.all.rp_filter=2")


def test_an_interface_for_synchronisation_that_is_not_there() -> None:
    found = only(judged(Config(vip=VipConfig(sync=Sync(interface="eth9"))), interfaces={"eth0"}))
    assert found.what == "vip.sync.interface: there is no eth9"


def test_a_range_that_would_cut_the_node_off() -> None:
    assert only(judged(range_="vip.ipv4_range: has the address of this node")).level == "error"


def test_programs_that_keep_virtual_servers_too() -> None:
    assert only(judged(running=frozenset({"keepalived", "bash"}))).topic == "others"
    proxy = only(judged(running=frozenset({"kube-proxy"})))
    assert "--ipvs-exclude-cidrs=11.0.0.0-11.255.255.255" in proxy.todo


def test_an_installation_without_the_native_responder() -> None:
    found = only(judged(native="No module named 'pointsman.dns._native'"))
    assert (found.level, found.topic) == ("warning", "dns")
    assert "No module named" in found.what
    assert judged(Config(dns=DnsConfig(native=False)), native="none") == []


def test_a_folder_that_can_not_be_written_to() -> None:
    found = only(judged(state_dir="/var can't be written to"))
    assert found.what == "state_dir: /var/lib/pointsman: /var can't be written to"


def test_a_clock_that_was_never_set() -> None:
    assert only(judged(clock=0.0)).topic == "clock"


@pytest.mark.parametrize(
    ("resolvers", "words"),
    [
        ((), "names no server"),
        (("10.0.0.2", "10.0.0.11"), "only after it"),
        (("10.0.0.2",), "10.0.0.2, which is not this Pointsman"),
    ],
)
def test_resolv_conf(resolvers: tuple[str, ...], words: str) -> None:
    found = only(judged(resolvers=resolvers))
    assert (found.level, found.topic) == ("warning", "resolver")
    assert words in found.what


def test_a_port_that_resolv_conf_can_not_name() -> None:
    found = only(judged(resolvers=("10.0.0.2",), own=frozenset()))
    assert found.todo.endswith("else dns.listen needs port 53 to be named in /etc/resolv.conf")


def test_domains_that_another_resolver_should_forward_are_named() -> None:
    config = Config(dns=DnsConfig(domain="cluster"))
    assert (
        "forwards cluster and thisdcos.directory" in only(judged(config, resolvers=("::1",))).todo
    )
