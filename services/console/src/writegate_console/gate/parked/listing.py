"""Parked commands as the command line lists and shows them. The page has its own queries, in ``search``."""

from __future__ import annotations

from writegate.contract.operations import Selection
from writegate_console.gate.database import Database, Row

_SUMMARY = """
SELECT service, cause, task AS command, count(*)::int AS count, min(parked_at) AS oldest, max(parked_at) AS newest,
       max(seq) AS example
FROM writegate.parked WHERE state = 'parked' AND {condition}
GROUP BY service, cause, task ORDER BY count DESC, service, cause, command
"""
_SINGLE = """
SELECT seq AS number, parked_at, service, cause, task AS command, key, id, message
FROM writegate.parked WHERE state = 'parked' AND {condition} ORDER BY seq LIMIT %(most)s
"""
_CAUSES = """
SELECT cause, count(*)::int AS count, max(seq) AS highest FROM writegate.parked
WHERE state = 'parked' AND {condition} GROUP BY cause ORDER BY count DESC, cause
"""
_FULL = """
SELECT seq AS number, state, parked_at, service, lane, task AS command, version, key, id, cause, sqlstate, message,
       parks_key, origin, headers, raw
FROM writegate.parked WHERE {condition} ORDER BY seq
"""


def summarize(database: Database, selection: Selection) -> list[Row]:
    """Return how many match, with the oldest and newest time, by service, cause and command."""
    condition, parameters = selection.sql()
    return database.all(_SUMMARY.format(condition=condition), parameters)


def single_commands(database: Database, selection: Selection, limit: int) -> list[Row]:
    """Return single commands that match, oldest first."""
    condition, parameters = selection.sql()
    return database.all(_SINGLE.format(condition=condition), {**parameters, "most": limit})


def count_by_cause(database: Database, selection: Selection) -> list[Row]:
    """Return how many match and the highest number among them, by cause."""
    condition, parameters = selection.sql()
    return database.all(_CAUSES.format(condition=condition), parameters)


def full_rows(database: Database, name: str) -> list[Row]:
    """Return the rows with a number or an id, whatever their state. An id may be parked with different contents."""
    selection = Selection(numbers=(int(name),)) if name.isdecimal() else Selection(id=name)
    condition, parameters = selection.sql()
    return database.all(_FULL.format(condition=condition), parameters)
