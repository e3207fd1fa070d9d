"""When sessions end."""

from __future__ import annotations

import pytest

from writegate_console.users import User
from writegate_console.web.state.sessions import IDLE_SECONDS, SessionTable


def test_sessions_end_when_they_are_unused_and_after_half_a_day() -> None:
    now = [0.0]
    sessions = SessionTable(lambda: now[0])
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
