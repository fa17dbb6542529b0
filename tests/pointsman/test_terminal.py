import io

import pytest

from pointsman.terminal import Cell, has_colours, is_terminal, table, toned


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROWS = (
    (Cell("NAME", "heading"), Cell("STATE", "heading"), Cell("N", "heading", right=True)),
    (Cell("web"), Cell("live", "good"), Cell("10", right=True)),
    (Cell("a-longer"), Cell(""), Cell("")),
)


def test_columns_are_aligned_and_no_line_ends_in_spaces() -> None:
    assert table(ROWS, colours=False) == [
        "NAME      STATE   N",
        "web       live   10",
        "a-longer",
    ]


def test_colours_take_no_room() -> None:
    head, row, _ = table(ROWS, colours=True)
    assert head == "\x1b[1mNAME\x1b[0m      \x1b[1mSTATE\x1b[0m   \x1b[1mN\x1b[0m"
    assert row == "web       \x1b[32mlive\x1b[0m   10"


def test_no_rows_are_no_lines() -> None:
    assert table((), colours=True) == []


def test_a_text_without_a_tone_stays_as_it_is() -> None:
    assert toned("x", "", colours=True) == "x"
    assert toned("", "bad", colours=True) == ""
    assert toned("x", "bad", colours=True) == "\x1b[31mx\x1b[0m"


@pytest.mark.parametrize(
    ("stream", "environ", "colours"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_only_terminals_that_know_colours_and_want_them_get_them(
    stream: io.StringIO, environ: dict[str, str], colours: bool
) -> None:
    assert has_colours(stream, environ) is colours


def test_no_colour_is_no_reason_not_to_redraw() -> None:
    assert is_terminal(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
