"""What the console remembers of those who log in, and of those who try."""

from __future__ import annotations

import pytest

from writegate_console.users import User
from writegate_console.web.security.sessions import IDLE_SECONDS, Sessions
from writegate_console.web.security.throttle import FREE, Throttle


def test_waits_grow_and_end() -> None:
    now = [0.0]
    throttle, waits = Throttle(lambda: now[0]), []
    for _ in range(20):
        throttle.failed(["x"])
        waits.append(throttle.wait_seconds(["x"]))
        now[0] += waits[-1]
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE : FREE + 4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == 300.0
    throttle.succeeded(["x"])
    assert throttle.wait_seconds(["x"]) == 0.0


def test_names_that_were_tried_take_no_more_than_some_memory() -> None:
    throttle = Throttle()
    for number in range(25_000):
        throttle.failed([f"user {number}"])
    assert len(throttle._failures) == 10_000  # noqa: SLF001


def test_sessions_end_when_nobody_looks_and_after_half_a_day() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    token = sessions.begin(User("olga", "operator"))
    now[0] = IDLE_SECONDS - 1
    assert sessions.find(token)
    now[0] += IDLE_SECONDS + 1
    assert sessions.find(token) is None
    token = sessions.begin(User("olga", "operator"))
    for _ in range(100):
        now[0] += IDLE_SECONDS / 2
        if sessions.find(token) is None:
            break
    else:
        pytest.fail("a session that is used never ends")
    assert sessions.find("") is None
    assert sessions.find("guessed") is None
