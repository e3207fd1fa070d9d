"""Targets of holds and drains, checked against what the database knows before anything is published."""

from __future__ import annotations

from collections.abc import Sequence

from writegate.contract.targets import BUILT_IN, Known, Target, TargetError
from writegate_console.gate.database import Database

MAX_CHARACTERS = 1000  # what an operation takes
_LANES = "SELECT service, count(*)::int AS lanes FROM writegate.lane WHERE service <> %(own)s GROUP BY service"
_TASKS = "SELECT DISTINCT unnest(tasks) AS task FROM writegate.service"
_TABLES = 'SELECT DISTINCT unnest(tables) AS "table" FROM writegate.domain WHERE name <> %(own)s'


def known_targets(database: Database) -> Known:
    """Return the lanes, command types and tables that a target may name."""
    own = {"own": BUILT_IN}
    return Known(
        lanes={row["service"]: row["lanes"] for row in database.all(_LANES, own)},
        tasks={row["task"] for row in database.all(_TASKS)},
        tables={row["table"] for row in database.all(_TABLES, own)},
    )


def find_target(database: Database, words: Sequence[str]) -> Target:
    """Return the target that was typed: `flights key=UA123` are two words. Raises :class:`TargetError`."""
    text = " ".join(words)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TargetError(f"{text!r} has bytes that are no text") from None
    if len(text) > MAX_CHARACTERS:
        raise TargetError(f"a target has at most {MAX_CHARACTERS} characters, not {len(text)}")
    return known_targets(database).find(text)
