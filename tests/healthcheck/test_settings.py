import msgspec
import pytest

from pointsman.healthcheck.asking import CheckRules, Rule
from pointsman.healthcheck.model import Timing
from pointsman.healthcheck.settings import HealthConfig, problems


def test_without_a_word_nothing_is_probed_that_was_not_asked_for() -> None:
    rules = HealthConfig().rules("n")
    assert rules == CheckRules(node="n")
    assert HealthConfig().timing == Timing()
    assert list(problems(HealthConfig())) == []


def test_what_is_said_holds_for_all_checks() -> None:
    config = HealthConfig(
        tcp=True, mesos=True, checks=(Rule("tcp", name="db"),),
        commands={"b": ("/b",), "a": ("/a",)},
        interval=10, timeout=3, edge_interval=2, stable_interval=60, rise=1, fall=2, grace=5,
        share=20,
    )  # fmt: skip
    assert config.rules("n") == CheckRules(
        Timing(10, 3, 2, 60, 1, 2, 5), (("a", ("/a",)), ("b", ("/b",))),
        (Rule("tcp", name="db"),), True, True, 20, "n",
    )  # fmt: skip


def test_the_short_interval_is_no_longer_than_the_other() -> None:
    assert HealthConfig(interval=0.5, timeout=0.5).timing.edge == 0.5


def test_what_cannot_be_used_is_told_by_its_key() -> None:
    config = HealthConfig(
        commands={"none": (), "here": ("check",), "good": ("/bin/true",)},
        checks=(Rule("tcp"), Rule("exec gone"), Rule("ping"), Rule("exec good")),
        interval=1,
        timeout=2,
    )
    found = dict(problems(config))
    assert list(found) == [
        "commands.none", "commands.here", "checks[1].check", "checks[2].check", "timeout",
    ]  # fmt: skip
    assert "there are: good, here, none" in found["checks[1].check"]


@pytest.mark.parametrize(
    "text", [b'{"interval": 0}', b'{"rise": 0}', b'{"share": 101}', b'{"sockets": 0}', b'{"x": 1}']
)
def test_numbers_and_names_that_make_no_sense_are_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=HealthConfig)
