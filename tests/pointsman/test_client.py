from itertools import islice

import pytest

from pointsman.client import fetch, follow
from pointsman.config import Config, HttpConfig
from pointsman.discovery.errors import Fatal, Transient
from pointsman.doubles import PointsmanDouble


def config(address: str) -> Config:
    return Config(http=HttpConfig(address))


def event(number: int) -> dict[str, object]:
    return {"id": number, "at": 0.0, "kind": "task", "what": f"web.{number}"}


def test_what_a_path_answers_is_returned() -> None:
    with PointsmanDouble({"/v1/status": {"ready": True}}) as double:
        assert fetch(config(double.address), "/v1/status?limit=1") == {"ready": True}
    assert double.asked == ["/v1/status?limit=1"]


def test_nobody_to_ask_is_said() -> None:
    with pytest.raises(Fatal, match=r"http\.listen is empty"):
        fetch(config(""), "/v1/status")
    with pytest.raises(
        Transient, match=r"no Pointsman answers at http://127\.0\.0\.1:1: .*running"
    ):
        fetch(config("127.0.0.1:1"), "/v1/status")


def test_another_answer_is_said() -> None:
    with PointsmanDouble({}) as double, pytest.raises(Transient, match="/v1/x answers 404"):
        fetch(config(double.address), "/v1/x")


def test_events_are_followed_over_the_end_of_the_stream() -> None:
    waits: list[float] = []
    told = [event(1), event(2), event(3)]
    with PointsmanDouble({}, told) as double:
        found = follow(config(double.address), 1, pytest.fail, waits.append)
        assert list(islice(found, 2)) == [event(2), event(3)]
        told.append(event(4))
        assert next(found) == event(4)
    assert double.asked == ["/v1/watch 1", "/v1/watch 3"]
    assert waits == [1.0]


def test_while_nobody_answers_it_is_said_once() -> None:
    said: list[str] = []
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(follow(config("127.0.0.1:1"), 0, said.append, wait))
    assert len(said) == 1
    assert "no Pointsman answers" in said[0]
