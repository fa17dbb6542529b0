import pytest

from pointsman.preflight_cluster import Asked, Outcome, Quorum, cluster
from pointsman.preflight_finding import Finding

ONE, TWO = "10.0.0.1:5050", "10.0.0.2:5050"
LEADS, FOLLOWS = Asked(ONE, "leads"), Asked(TWO, "follows", ONE)


def judged(*masters: Asked, zookeeper: Quorum | None = None, clock: float = 0) -> list[Finding]:
    return list(cluster(masters, zookeeper, clock))


def levels(found: list[Finding]) -> list[str]:
    return [one.level for one in found]


def test_a_leader_and_who_follows_are_right() -> None:
    found = judged(LEADS, FOLLOWS)
    assert levels(found) == ["ok", "ok"]
    assert [one.what for one in found] == [f"{ONE} leads", f"{TWO} follows {ONE}"]


@pytest.mark.parametrize(
    ("outcome", "what", "todo"),
    [
        ("unauthorised", "does not know us (401)", "discovery.auth.principal"),
        ("forbidden", "does not let us ask (403)", "ACLs"),
        ("untrusted", "certificate that is not trusted", "discovery.tls.ca"),
        ("plain", "does not speak HTTPS", "discovery.tls.enabled = false"),
        ("tls", "speaks HTTPS", "enabled = true"),
        ("unknown", "does not resolve", "discovery.masters"),
        ("refused", "refuses connections", "start the master"),
        ("silent", "does not answer", "firewall"),
        ("odd", "not answer as a Mesos master", f"curl -i http://{ONE}/state"),
    ],
)
def test_each_problem_has_its_words_and_what_to_do(outcome: Outcome, what: str, todo: str) -> None:
    (found,) = judged(Asked(ONE, outcome, "why"))
    assert found.level == "error"
    assert what in found.what
    assert found.what.endswith(": why")
    assert todo in found.todo


def test_a_master_that_is_away_is_no_error_while_another_answers() -> None:
    assert levels(judged(LEADS, Asked(TWO, "refused"))) == ["ok", "warning"]
    assert levels(judged(LEADS, Asked(TWO, "unauthorised"))) == ["ok", "error"]


def test_an_election_that_goes_on_is_told() -> None:
    found = judged(Asked(ONE, "leaderless"), Asked(TWO, "leaderless"))
    assert levels(found) == ["ok", "ok", "error"]
    assert found[-1].what == "no master leads now"


def test_masters_of_different_clusters_are_told() -> None:
    assert judged(LEADS, Asked(TWO, "leads"))[-1].what == (
        f"{ONE} and {TWO} both lead: they are of different clusters"
    )


@pytest.mark.parametrize(
    ("ours", "words"),
    [(0.0, "100 s ahead of ours"), (200.0, "100 s behind ours"), (141.0, ""), (60.0, "")],
)
def test_clocks_that_differ_are_told(ours: float, words: str) -> None:
    found = judged(Asked(ONE, "leads", date=100.0), clock=ours)
    told = [one.what for one in found if one.topic == "clock"]
    assert told == ([f"the masters' clocks are {words}"] if words else [])


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (Quorum("z:2181", "/mesos", (ONE, TWO)), "ok", f"{ONE} leads, 1 more wait"),
        (Quorum("z:2181", "/mesos"), "error", "no master is elected in /mesos"),
        (Quorum("z:2181", "/mesos", problem="silent"), "error", "does not answer"),
        (Quorum("z:2181", "/mesos", problem="no path"), "error", "has no /mesos"),
        (Quorum("z:2181", "/mesos", problem="no right"), "error", "does not let us read /mesos"),
    ],
)
def test_zookeeper(found: Quorum, level: str, words: str) -> None:
    (told,) = judged(zookeeper=found)
    assert told.level == level
    assert words in told.what


def test_nobody_asked_is_nothing_found() -> None:
    assert judged() == []
