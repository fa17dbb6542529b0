"""What `pointsman check` makes of what masters and ZooKeeper answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from pointsman.preflight_finding import Finding, error, ok, warning

Outcome: TypeAlias = Literal[
    "leads", "follows", "leaderless", "unauthorised", "forbidden", "untrusted", "plain", "tls",
    "unknown", "refused", "silent", "odd",
]  # fmt: skip
"""What came of asking a master."""

SKEW = 60.0
"""Seconds that clocks may differ before it is worth a word; TSIG and tokens bear 300."""


class Asked(msgspec.Struct, frozen=True):
    """What a master answered."""

    address: str
    """``HOST:PORT``."""
    outcome: Outcome
    said: str = ""
    """The leader that a follower names, or the words of what went wrong."""
    date: float | None = None
    """Its clock, in seconds since 1970."""


class Quorum(msgspec.Struct, frozen=True):
    """What ZooKeeper answered."""

    where: str
    path: str
    masters: tuple[str, ...] = ()
    """``HOST:PORT``, the leader first."""
    problem: Literal["", "silent", "no path", "no right"] = ""


_ADVICE: Mapping[Outcome, tuple[str, str]] = {
    "unauthorised": (
        "does not know us (401)",
        "set discovery.auth.principal and secret_file, or token_file",
    ),
    "forbidden": (
        "knows us, and does not let us ask (403)",
        "have the masters' ACLs let the principal VIEW_TASK, VIEW_FRAMEWORK and VIEW_EXECUTOR",
    ),
    "untrusted": (
        "shows a certificate that is not trusted",
        "set discovery.tls.ca to the PEM file of who signed it",
    ),
    "plain": ("does not speak HTTPS", "set discovery.tls.enabled = false"),
    "tls": ("speaks HTTPS", "set discovery.tls.enabled = true"),
    "unknown": ("has a name that does not resolve", "mend discovery.masters, or name its address"),
    "refused": (
        "refuses connections",
        "start the master, or mend its port in discovery.masters",
    ),
    "silent": ("does not answer", "see whether a firewall or a route keeps us from it"),
    "odd": ("does not answer as a Mesos master", "see what runs there: curl -i http://{}/state"),
}


def cluster(masters: Sequence[Asked], zookeeper: Quorum | None, clock: float) -> Iterator[Finding]:
    """Yield what is right and wrong of ZooKeeper, of each master, and of their leader."""
    if zookeeper is not None:
        yield from _zookeeper(zookeeper)
    if not masters:
        return
    answer = [one for one in masters if one.outcome in ("leads", "follows", "leaderless")]
    for one in masters:
        yield from _master(one, enough=bool(answer))
    yield from _leader(answer)
    skews = [one.date - clock for one in masters if one.date is not None]
    if skews and abs(skew := min(skews, key=abs)) > SKEW:
        way = "ahead of" if skew > 0 else "behind"
        yield warning(
            "clock",
            f"the masters' clocks are {abs(skew):.0f} s {way} ours",
            "have chrony or systemd-timesyncd keep the clocks",
        )


def _zookeeper(found: Quorum) -> Iterator[Finding]:
    where = f"ZooKeeper at {found.where}"
    match found.problem:
        case "silent":
            yield error("zookeeper", f"{where} does not answer", "start it, or mend "
                        "discovery.zookeeper")  # fmt: skip
        case "no path":
            todo = "let discovery.zookeeper have the path of the masters' own --zk"
            yield error("zookeeper", f"{where} has no {found.path}", todo)
        case "no right":
            todo = "set discovery.zookeeper_credential_file"
            yield error("zookeeper", f"{where} does not let us read {found.path}", todo)
        case _ if not found.masters:
            todo = "see whether any master runs with this --zk"
            yield error("zookeeper", f"{where}: no master is elected in {found.path}", todo)
        case _:
            leader, *others = found.masters
            yield ok("zookeeper", f"{where}: {leader} leads, {len(others)} more wait")


def _master(one: Asked, *, enough: bool) -> Iterator[Finding]:
    match one.outcome:
        case "leads":
            yield ok("masters", f"{one.address} leads")
        case "follows":
            yield ok("masters", f"{one.address} follows {one.said}")
        case "leaderless":
            yield ok("masters", f"{one.address} answers, and knows no leader")
        case problem:
            what, todo = _ADVICE[problem]
            said = f": {one.said}" if one.said else ""
            level = warning if enough and problem in ("refused", "silent") else error
            yield level("masters", f"{one.address} {what}{said}", todo.format(one.address))


def _leader(answer: Sequence[Asked]) -> Iterator[Finding]:
    leaders = {one.address for one in answer if one.outcome == "leads"}
    if answer and not leaders and all(one.outcome == "leaderless" for one in answer):
        todo = "wait for the election; it takes longer where ZooKeeper or a quorum is missing"
        yield error("masters", "no master leads now", todo)
    if len(leaders) > 1:
        names = " and ".join(sorted(leaders))
        todo = "name the masters of one cluster alone"
        yield error("masters", f"{names} both lead: they are of different clusters", todo)
