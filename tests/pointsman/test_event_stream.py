from pointsman.event_stream import Sent, events


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def test_an_event_is_its_lines_up_to_an_empty_one() -> None:
    stream = 'id: 7\nevent: task\ndata: {"id": 7}\n\nid: 8\nevent: kernel\ndata: {}\n\n'
    assert list(events(lines(stream))) == [
        Sent("7", "task", '{"id": 7}'),
        Sent("8", "kernel", "{}"),
    ]


def test_comments_and_what_says_nothing_are_no_events() -> None:
    assert list(events(lines(": begin\n\n: still here\n\nretry: 1000\n\nevent: task\n\n"))) == []


def test_data_of_more_lines_is_one_text() -> None:
    assert list(events(lines("data: a\ndata:b\ndata\n\n"))) == [Sent("", "message", "a\nb\n")]


def test_an_event_that_does_not_end_is_none() -> None:
    assert list(events(lines("data: a\n\ndata: b\n"))) == [Sent("", "message", "a")]


def test_an_event_without_a_number_has_that_of_the_one_before() -> None:
    assert [e.id for e in events(lines("id: 3\r\ndata: a\r\n\r\ndata: b\r\n\r\n"))] == ["3", "3"]
