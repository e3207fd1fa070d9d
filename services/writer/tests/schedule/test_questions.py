"""Questions for receipts: within a budget, many at once, and none for nobody."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from tests.sample import delivery
from writegate.message.envelope import Item, encode
from writegate_writer.receive.delivery import Question
from writegate_writer.schedule.questions import A_SECOND, AT_ONCE, Questions


def asking(numbers: Iterable[int], reply_to: str = str(uuid.uuid4())) -> list[Question]:
    made = delivery(encode(Item("q-1", "writegate.lookup", 1, None, b"{}")), reply_to=reply_to)
    return [Question(made, f"q-{number}", f"c-{number}") for number in numbers]


def test_they_are_answered_in_order_and_many_at_once() -> None:
    questions = Questions()
    assert questions.add("a", asking(range(AT_ONCE + 1))) == 0
    first, rest = questions.take(1.0), questions.take(1.0)
    assert [asked.command_id for asked in first["a"]] == [f"c-{number}" for number in range(AT_ONCE)]
    assert [asked.command_id for asked in rest["a"]] == [f"c-{AT_ONCE}"]
    assert not questions
    assert questions.take(1.0) == {}


def test_a_service_has_a_budget_and_takes_none_of_anothers() -> None:
    questions, answered = Questions(), 0
    questions.add("a", asking(range(1900)))
    for millis in range(0, 1000, 10):
        answered += len(questions.take(millis / 1000).get("a", ()))
    assert answered <= 2 * A_SECOND
    questions.add("b", asking(range(10)))
    assert len(questions.take(1.0)["b"]) == 10


def test_what_is_too_much_is_dropped_and_counted() -> None:
    questions = Questions()
    assert questions.add("a", asking(range(2500))) == 500
    assert questions.add("b", asking(range(10))) == 0


def test_whom_nobody_can_answer_costs_nothing() -> None:
    questions = Questions()
    assert questions.add("a", asking(range(9999), reply_to="writes.trial.0")) == 0
    assert not questions
