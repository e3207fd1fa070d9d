"""What the database says of parked commands."""

from __future__ import annotations

from typing import Any

from writegate.contract.operations import Selection
from writegate_console.gate.database import Database, Row

_GROUPS = """
SELECT service, cause, task AS command, count(*)::int AS count, min(parked_at) AS oldest, max(parked_at) AS newest,
       max(seq) AS example
FROM writegate.parked WHERE state = 'parked' AND {condition}
GROUP BY service, cause, task ORDER BY count DESC, service, cause, command
"""
_EACH = """
SELECT seq AS number, parked_at, service, cause, task AS command, key, id, message
FROM writegate.parked WHERE state = 'parked' AND {condition} ORDER BY seq LIMIT %(most)s
"""
_CAUSES = """
SELECT cause, count(*)::int AS count, max(seq) AS highest FROM writegate.parked
WHERE state = 'parked' AND {condition} GROUP BY cause ORDER BY count DESC, cause
"""
_ONE = """
SELECT seq AS number, state, parked_at, service, lane, task AS command, version, key, id, cause, sqlstate, message,
       parks_key, origin, headers, raw
FROM writegate.parked WHERE {condition} ORDER BY seq
"""
_HISTORY = """
SELECT at, who, action, detail->>'reason' AS reason, detail->'changed' AS changed
FROM writegate.audit WHERE detail->'numbers' @> to_jsonb(%(number)s::bigint) ORDER BY seq
"""
_REPORT = "SELECT detail FROM writegate.audit WHERE command = %(command)s"


def groups(database: Database, selection: Selection) -> list[Row]:
    """Return how many there are, by service, cause and command."""
    condition, parameters = selection.sql()
    return database.all(_GROUPS.format(condition=condition), parameters)


def each(database: Database, selection: Selection, most: int) -> list[Row]:
    """Return single ones, oldest first."""
    condition, parameters = selection.sql()
    return database.all(_EACH.format(condition=condition), {**parameters, "most": most})


def causes(database: Database, selection: Selection) -> list[Row]:
    """Return how many there are and the highest number, by cause."""
    condition, parameters = selection.sql()
    return database.all(_CAUSES.format(condition=condition), parameters)


def find(database: Database, name: str) -> list[Row]:
    """Return those of a number or an id, whatever their state. An id may have been parked with different contents."""
    selection = Selection(numbers=(int(name),)) if name.isdecimal() else Selection(id=name)
    condition, parameters = selection.sql()
    return database.all(_ONE.format(condition=condition), parameters)


def history(database: Database, number: int) -> list[Row]:
    """Return what people did about one."""
    return database.all(_HISTORY, {"number": number})


def report(database: Database, command: str) -> dict[str, Any]:
    """Return what an action wrote into the audit."""
    [row] = database.all(_REPORT, {"command": command})
    return dict(row["detail"])
