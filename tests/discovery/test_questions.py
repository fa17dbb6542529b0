import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pointsman.discovery.model import TaskKey
from pointsman.discovery.questions import Questions

ONE, TWO = ("F", "web.1"), ("F", "web.2")


class Answers:
    """Answers as often as told that a question is open still."""

    def __init__(self, again: int = 0) -> None:
        self.asked: list[TaskKey] = []
        self._again = again

    async def __call__(self, key: TaskKey) -> bool:
        self.asked.append(key)
        return len(self.asked) <= self._again


def asking(answers: Answers, test: Callable[[Questions], Awaitable[None]]) -> None:
    async def run() -> None:
        questions = Questions(answers)
        task = asyncio.create_task(questions.run())
        async with asyncio.timeout(5):
            await test(questions)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


async def until(answers: Answers, count: int) -> None:
    while len(answers.asked) < count:
        await asyncio.sleep(0.001)


def test_a_question_is_asked_when_it_is_due_and_no_more_once_answered() -> None:
    answers = Answers()

    async def test(questions: Questions) -> None:
        questions.put(TWO, 0.02)
        questions.put(ONE, 0.001)
        await until(answers, 2)
        assert questions._timers == {}

    asking(answers, test)
    assert answers.asked == [ONE, TWO]


def test_an_open_question_is_asked_again() -> None:
    answers = Answers(again=2)

    async def test(questions: Questions) -> None:
        questions.put(ONE, 0.001)
        await until(answers, 3)

    asking(answers, test)
    assert answers.asked == [ONE] * 3


def test_a_question_is_pending_once() -> None:
    answers = Answers()

    async def test(questions: Questions) -> None:
        questions.put(ONE, 60)
        questions.put(ONE, 0.001)
        questions.put(TWO, 0.01)
        await until(answers, 2)

    asking(answers, test)
    assert answers.asked == [ONE, TWO]


def test_what_was_pending_at_the_end_is_pending_no_more() -> None:
    kept: list[Questions] = []

    async def test(questions: Questions) -> None:
        kept.append(questions)
        questions.put(ONE, 60)
        await asyncio.sleep(0)  # so that it has begun

    asking(Answers(), test)
    assert kept[0]._timers == {}
