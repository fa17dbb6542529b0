"""Scripts by which bash, zsh and fish complete our command lines, made from the parser.

They hold all words themselves, so that completing does not start Python.
"""

import argparse
import shlex
from collections.abc import Iterator, Mapping

import msgspec

from pointsman.commands.base import Command


class Option(msgspec.Struct, frozen=True):
    """An option, or (without flags) an argument by its place."""

    flags: tuple[str, ...]
    help: str
    takes: bool
    """Whether a value follows."""
    choices: tuple[str, ...] = ()
    file: bool = False


class Node(msgspec.Struct, frozen=True):
    """A command, with those below it."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Option, ...]
    below: tuple["Node", ...] = ()
    exits: Mapping[int, str] = {}
    """What its exit codes mean."""

    def walk(self, before: str = "") -> Iterator[tuple[str, "Node"]]:
        """Yield this one and all below it, each by its words: ``pointsman show zone``."""
        path = f"{before} {self.name}".strip()
        yield path, self
        for one in self.below:
            yield from one.walk(path)


def tree(parser: argparse.ArgumentParser, name: str = "pointsman", told: str = "") -> Node:
    """Return what a parser takes."""
    options: list[Option] = []
    arguments: list[Option] = []
    below: list[Node] = []
    for action in parser._actions:  # noqa: SLF001 - there is no other way to ask argparse
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {one.dest: one.help for one in action._choices_actions}  # noqa: SLF001
            below = [tree(one, word, helps[word] or "") for word, one in action.choices.items()]
            continue
        found = Option(
            tuple(action.option_strings),
            # argparse's own words for its defaults
            (action.help or "") % {**vars(action), "prog": name},
            action.nargs != 0,
            tuple(map(str, action.choices or ())),
            action.metavar == "FILE",
        )
        (options if found.flags else arguments).append(found)
    exits = parser.exits if isinstance(parser, Command) else {}
    return Node(name, told, tuple(options), tuple(arguments), tuple(below), exits)


def script(shell: str, root: Node) -> str:
    """Return the text for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](root)


def _bash(root: Node) -> str:
    values, words = [], []
    for path, node in root.walk():
        for option in node.options:
            if option.takes:
                patterns = "|".join(f"'{path} {flag}'" for flag in option.flags)
                values.append(f"        {patterns}) {_bash_value(option)} ;;")
        flags = [flag for option in node.options for flag in option.flags]
        below = [one.name for one in node.below]
        choices = [word for one in node.arguments for word in one.choices]
        said = " ".join([*below, *choices, *flags])
        files = " files=1" if any(one.file for one in node.arguments) else ""
        words.append(f"        '{path}') words='{said}'{files} ;;")
    lines = "\n".join
    return f"""\
# bash completion of pointsman; made by `pointsman completion bash`
_pointsman() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local path=pointsman words= files= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $word" in
        {"|".join(f"'{path}'" for path, _ in root.walk())}) path="$path $word" ;;
        esac
    done
    COMPREPLY=()
    case "$path $previous" in
{lines(values)}
    esac
    case "$path" in
{lines(words)}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ $files ]] && COMPREPLY+=($(compgen -f -- "$current"))
}}
complete -o filenames -F _pointsman pointsman
"""


def _bash_value(option: Option) -> str:
    if option.choices:
        found = f'COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$current"));'
    elif option.file:
        found = 'COMPREPLY=($(compgen -f -- "$current"));'
    else:
        found = ""
    return f"{found} return".strip()


def _zsh(root: Node) -> str:
    functions = []
    for path, node in root.walk():
        specs = [_zsh_option(option) for option in node.options]
        specs += [_zsh_argument(at, one) for at, one in enumerate(node.arguments, 1)]
        body = ["    _arguments -C -s \\", *(f"        {spec} \\" for spec in specs)]
        if node.below:
            described = " ".join(
                shlex.quote(f"{one.name}:{_plain(one.help)}") for one in node.below
            )
            cases = "\n".join(
                f"        {one.name}) {_zsh_name(f'{path} {one.name}')} ;;" for one in node.below
            )
            body += [
                "        '1: :->command' '*:: :->rest' && return",
                '    case "$state" in',
                f"    command) local -a there=({described}); _describe command there ;;",
                f'    rest) case "$words[1]" in\n{cases}\n        esac ;;',
                "    esac",
            ]
        else:
            body[-1] = body[-1].removesuffix(" \\")
        functions.append("\n".join([f"{_zsh_name(path)}() {{", *body, "}"]))
    return (
        "#compdef pointsman\n# made by `pointsman completion zsh`\n\n"
        "local curcontext=$curcontext state line\n\n"
        + "\n\n".join(functions)
        + '\n\ncompdef _pointsman pointsman\n[[ $funcstack[1] = _pointsman ]] && _pointsman "$@"\n'
    )


def _zsh_name(path: str) -> str:
    return "_" + path.replace(" ", "_")


def _zsh_option(option: Option) -> str:
    value = f":{_zsh_value(option)}" if option.takes else ""
    specs = (shlex.quote(f"{flag}[{_plain(option.help)}]{value}") for flag in option.flags)
    return " ".join(specs)


def _zsh_argument(at: int, argument: Option) -> str:
    return shlex.quote(f"{at}:{_zsh_value(argument)}")


def _zsh_value(option: Option) -> str:
    if option.choices:
        return f"value:({' '.join(option.choices)})"
    return "file:_files" if option.file else "value:"


def _plain(text: str) -> str:
    """Return words without what zsh's specifications are made of."""
    return text.translate(str.maketrans("[]:", "() "))


def _fish(root: Node) -> str:
    lines: list[str] = []
    for path, node in root.walk():
        when = f"-n '__pointsman_at {path}'"
        lines += (
            f"complete -c pointsman {when} -f -a {one.name} -d {_quoted(one.help)}"
            for one in node.below
        )
        for argument in node.arguments:
            given = f"-a '{' '.join(argument.choices)}'" if argument.choices else ""
            how = "-F" if argument.file else "-f"
            told = f"-d {_quoted(argument.help)}" if given else ""
            lines.append(" ".join(filter(None, ("complete -c pointsman", when, how, given, told))))
        lines += [_fish_option(when, option) for option in node.options]
    paths = " ".join(_quoted(path) for path, _ in root.walk())
    return f"""\
# fish completion of pointsman; made by `pointsman completion fish`
function __pointsman_at
    set -l path pointsman
    for word in (commandline -opc)[2..]
        contains -- "$path $word" {paths}; and set path "$path $word"
    end
    test "$path" = "$argv"
end
complete -c pointsman -f
{chr(10).join(lines)}
"""


def _fish_option(when: str, option: Option) -> str:
    names = (f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in option.flags)
    parts = ["complete -c pointsman", when, *names]
    if option.takes:
        parts.append("-r -F" if option.file else "-x")
    if option.choices:
        parts.append(f"-a '{' '.join(option.choices)}'")
    return " ".join([*parts, f"-d {_quoted(option.help)}"])


def _quoted(text: str) -> str:
    """Return a word for fish, where a backslash alone takes the meaning of a quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
