"""The names of actions and outcomes in the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from writegate_console.gate.audit import newest_entries, shown_action, shown_outcome
from writegate_console.gate.database import Database, Row


class RecordingDatabase(Database):
    """Keeps the parameters of the last query, and has no rows."""

    def __init__(self) -> None:
        self.parameters: Mapping[str, Any] = {}

    def all(self, query: Any, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        del query
        self.parameters = parameters or {}
        return []


def test_a_dry_run_is_found_by_the_name_that_is_shown_and_by_the_one_that_is_stored() -> None:
    assert [shown_action(action) for action in ("rehearse", "hold")] == ["dry run", "hold"]
    assert [shown_outcome(outcome) for outcome in ("waits", "applied")] == ["deferred", "applied"]
    database = RecordingDatabase()
    for typed, stored in (("dry run", "rehearse"), ("rehearse", "rehearse"), ("hold", "hold"), (None, None)):
        newest_entries(database, 1, action=typed)
        assert database.parameters["action"] == stored
