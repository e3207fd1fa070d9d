"""Kept commands as the command line lists and shows them. The page has its own queries, in ``search``."""

from __future__ import annotations

from writegate.contract.operations import DEFERRED, PARKED, KeptTable, Selection
from writegate_console.gate.database import Database, Row
from writegate_console.gate.kept.asking import ask

_SUMMARY = """
SELECT service, {cause} AS cause, task AS command, count(*)::int AS count, min({kept_at}) AS oldest,
       max({kept_at}) AS newest, max({number}) AS example
FROM {rows} WHERE {condition} GROUP BY service, {cause}, task ORDER BY count DESC, service, cause, command
"""
_SINGLE = """
SELECT {number} AS number, {kept_at}, service, {cause} AS cause, task AS command, key, id, {more}
FROM {rows} WHERE {condition} ORDER BY {number} LIMIT %(most)s
"""
_CAUSES = """
SELECT {cause} AS cause, count(*)::int AS count, max({number}) AS highest
FROM {rows} WHERE {condition} GROUP BY 1 ORDER BY count DESC, cause
"""
_FULL = """
SELECT {number} AS number, {state} AS state, {kept_at}, service, lane, task AS command, version, key, id,
       {cause} AS cause, {more}, origin, headers, raw
FROM {rows} WHERE {condition} ORDER BY {number}
"""
_ONLY_LISTED = {PARKED: "message", DEFERRED: "not_after"}
_ONLY_SHOWN = {PARKED: "sqlstate, message, parks_key", DEFERRED: "not_after, removed_by"}


def summarize(database: Database, kept: KeptTable, selection: Selection) -> list[Row]:
    """Return how many match, with the oldest and newest time, by service, cause and command."""
    return ask(database, _SUMMARY, kept, selection, state=kept.name)


def single_commands(database: Database, kept: KeptTable, selection: Selection, limit: int) -> list[Row]:
    """Return single commands that match, oldest first."""
    return ask(database, _SINGLE, kept, selection, state=kept.name, more=_ONLY_LISTED[kept], most=limit)


def count_by_cause(database: Database, kept: KeptTable, selection: Selection) -> list[Row]:
    """Return how many match and the highest number among them, by cause."""
    return ask(database, _CAUSES, kept, selection, state=kept.name)


def full_rows(database: Database, kept: KeptTable, name: str) -> list[Row]:
    """Return the rows with a number or an id, whatever their state. An id may be parked with different contents."""
    selection = Selection(numbers=(int(name),)) if name.isdecimal() else Selection(id=name)
    return ask(database, _FULL, kept, selection, more=_ONLY_SHOWN[kept])
