"""`pointsman completion`: what a shell needs to complete our command lines."""

import argparse

from pointsman.commands.base import DONE, WRONG, Commands, command

EXITS = {DONE: "printed", WRONG: "the command is wrong"}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "completion",
        run,
        summary="print what a shell needs to complete Pointsman's command lines",
        examples=[
            (
                "pointsman completion bash > /etc/bash_completion.d/pointsman",
                "Debian's package bash-completion reads it",
            ),
            (
                "pointsman completion zsh > /usr/local/share/zsh/site-functions/_pointsman",
                "at the next start of zsh",
            ),
            (
                "pointsman completion fish > /etc/fish/completions/pointsman.fish",
                "at once",
            ),
        ],
        exits=EXITS,
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="for which shell")


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pointsman import completion
    from pointsman.cli import parser

    print(completion.script(options.shell, completion.tree(parser())), end="")
    return DONE
