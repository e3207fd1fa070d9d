"""The names of actions and outcomes in the audit, and what came of an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from writegate_console.gate.audit import newest_entries, result_of, shown_action, shown_outcome
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


@pytest.mark.parametrize(
    ("detail", "result"),
    [
        ({"reason": "x", "done": 371, "skipped": {}}, "371 commands"),
        ({"reason": "x", "done": 0, "skipped": {}}, "0 commands"),
        ({"done": 1, "skipped": {"its lane does not exist": 2, "another waits": 1}}, "1 command, 3 skipped"),
        ({"reason": "x", "refused": "there is no hold on trial"}, "refused: there is no hold on trial"),
        ({"outcomes": {"applied": 2, "waits": 1}}, "2 applied, 1 deferred"),
        ({"outcomes": {}}, "0 commands"),
        ({"until": None, "reason": "x"}, "done"),
    ],
)
def test_the_audit_says_what_came_of_an_action(detail: dict[str, Any], result: str) -> None:
    assert result_of(detail) == result
