"""What is known of outsiders in the way, and what is said when nothing can be known."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault


class Failing:
    """Stands for the control thread's session: each statement fails."""

    def __init__(self) -> None:
        self.fault = DatabaseFault("42501", "permission denied")

    def own(self, *_: Any) -> list[tuple[Any, ...]]:
        raise self.fault


def test_a_failing_look_is_logged_once_a_minute_and_when_the_text_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    conflicts, session = LockConflicts(["writer"]), Failing()

    def logged() -> list[str]:
        with capture_logs() as entries:
            conflicts.observe_waits(cast(Session, session))
        return [entry["error"] for entry in entries]

    assert logged() == ["42501: permission denied"]
    assert logged() == []
    session.fault = DatabaseFault("42883", "no such function")
    assert logged() == ["42883: no such function"]
    now += 60.0
    assert logged() == ["42883: no such function"]


def test_a_database_that_is_gone_is_not_only_logged() -> None:
    session = Failing()
    session.fault = DatabaseFault(None, "gone")
    with pytest.raises(DatabaseFault):
        LockConflicts(["writer"]).observe_waits(cast(Session, session))
