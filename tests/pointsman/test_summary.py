from pointsman.dns.records import NameRules
from pointsman.pipeline import NOTHING, Rules, VipRules, derive
from pointsman.summary import sizes
from pointsman.testing import cluster, discovery, port, task
from pointsman.vip.addresses import Range


def test_virtual_and_real_servers_are_counted() -> None:
    web = discovery("web", port(31000, VIP_0="/web:80", VIP_1="10.1.1.1:80"))
    both = cluster(task(discovery=web), task("web.2", addresses=("10.0.0.12",), discovery=web))
    rules = Rules(NameRules(), VipRules(ranges=(Range("11.0.0.0", "11.255.255.255"),)))
    assert sizes(NOTHING) == (0, 0)
    assert sizes(derive(both, rules)) == (2, 4)
