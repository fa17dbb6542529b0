import argparse
from pathlib import Path

import pytest

from pointsman.commands.base import Command, add_config, cluster, command, seconds

STATE = Path(__file__).parents[2] / "data/mesos/running-state.json"


def made() -> tuple[Command, Command]:
    """Return a parser, and that of the command which it has."""
    parser = Command(prog="pointsman")
    commands = parser.add_subparsers()
    one = command(
        commands,
        "walk",
        lambda _: 0,
        summary="walk around",
        more="It comes back.",
        examples=[("pointsman walk", "around"), ("pointsman walk --config x", "elsewhere")],
        exits={0: "back", 1: "lost"},
    )
    add_config(one)
    return parser, one


def test_help_has_a_sentence_examples_and_exit_codes() -> None:
    text = made()[1].format_help()
    assert "Walk around. It comes back." in text
    assert text.partition("examples:")[2].splitlines()[1:] == [
        "  pointsman walk              # around",
        "  pointsman walk --config x   # elsewhere",
        "",
        "exit codes:",
        "  0  back",
        "  1  lost",
    ]


def test_a_command_knows_what_to_run() -> None:
    options = made()[0].parse_args(["walk"])
    assert options.run(options) == 0
    assert options.config == Path("/etc/pointsman/pointsman.toml")


def test_a_state_in_a_file_needs_no_configuration() -> None:
    found, config = cluster(argparse.Namespace(state=STATE, config=None))
    assert found.tasks
    assert config.discovery.masters == ()


@pytest.mark.parametrize("word", ["0", "-1", "inf", "nan"])
def test_seconds_are_above_nothing_and_end(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds(word)
    assert seconds("1.5") == 1.5
