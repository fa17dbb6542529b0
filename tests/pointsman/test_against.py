"""Our zone beside that of a mesos-dns, whose answer is told by a real HTTP server."""

import json

import pytest

from pointsman.against import compare
from pointsman.config import Config
from pointsman.discovery.errors import Transient
from pointsman.doubles import MasterDouble
from pointsman.testing import cluster, task

THEIRS = {
    "TTL": 60, "Serial": 1, "Mname": "ns1.mesos.", "Domain": "mesos",
    "Records": {
        "As": {
            "leader.mesos.": ["10.0.0.1"], "master.mesos.": ["10.0.0.1"],
            "master0.mesos.": ["10.0.0.1"], "slave.mesos.": ["10.0.0.11"],
            "marathon.mesos.": ["10.0.0.1"], "ns1.mesos.": ["10.9.9.9"],
            "Web.marathon.mesos.": ["10.0.0.11"], "web-1jafc-s1.marathon.mesos.": ["10.0.0.11"],
            "web.marathon.slave.mesos.": ["10.0.0.11"],
            "web-1jafc-s1.marathon.slave.mesos.": ["10.0.0.11"],
        },
        "AAAAs": {},
        "SRVs": {
            "_leader._tcp.mesos.": ["leader.mesos.:5050"],
            "_leader._udp.mesos.": ["leader.mesos.:5050"],
            "_slave._tcp.mesos.": ["slave.mesos.:5051"],
        },
    },
}  # fmt: skip


def compared(theirs: object) -> str:
    with MasterDouble(json.dumps(theirs).encode()) as other:
        return compare(f"http://{other.address}/", cluster(task("web.1")), Config())


def test_equal_zones_have_no_difference() -> None:
    from pointsman.dns.names import canonical

    name = canonical("web", "web.1", "S1")
    theirs = json.loads(json.dumps(THEIRS).replace("web-1jafc-s1", name))
    assert compared(theirs) == ""


def test_what_only_one_has_is_a_line() -> None:
    theirs = json.loads(json.dumps(THEIRS))
    theirs["Records"]["As"] = {"old.mesos.": ["10.0.0.3"]}
    lines = compared(theirs).splitlines()
    assert "- old.mesos. A 10.0.0.3" in lines
    assert "+ web.marathon.mesos. A 10.0.0.11" in lines


@pytest.mark.parametrize("theirs", [[], {}, {"Records": 7}])
def test_an_answer_that_is_no_zone_is_a_transient_error(theirs: object) -> None:
    with pytest.raises(Transient, match="/v1/axfr"):
        compared(theirs)
