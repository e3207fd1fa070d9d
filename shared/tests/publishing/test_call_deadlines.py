"""What is known of calls' time limits."""

from __future__ import annotations

from writegate.publishing.call_deadlines import CallDeadlines
from writegate.publishing.pipeline import Call

TICK_SECONDS = 0.05


def call() -> Call:
    return Call(lambda _: None, None, "c-1")


def test_a_call_is_due_once_its_time_has_come() -> None:
    deadlines, late, later = CallDeadlines(TICK_SECONDS), call(), call()
    deadlines.add(late, 10.0)
    deadlines.add(later, 20.0)
    assert deadlines.due(9.9) == []
    assert deadlines.due(10.0 + TICK_SECONDS) == [late]
    assert deadlines.due(10.0 + TICK_SECONDS) == []
    assert deadlines


def test_nothing_is_looked_for_once_every_call_has_ended() -> None:
    # A publisher that goes on looking until the time limit wakes up twenty times a second for nothing.
    deadlines, one = CallDeadlines(TICK_SECONDS), call()
    deadlines.add(one, 10.0)
    assert deadlines
    one.end(None)
    assert not deadlines


def test_calls_of_the_same_tick_are_due_in_the_order_in_which_they_came() -> None:
    deadlines, calls = CallDeadlines(TICK_SECONDS), [call() for _ in range(100)]
    for one in calls:
        deadlines.add(one, 10.0)
    assert deadlines.due(10.0 + TICK_SECONDS) == calls
