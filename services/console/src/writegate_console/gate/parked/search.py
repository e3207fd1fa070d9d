"""Parked commands: searched, counted and shown. What is selected here is what an action on the same selection moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate.contract.operations import Selection
from writegate_console.gate.database import Database, Row
from writegate_console.gate.parked.fields import digest, fields_of

PAGE = 50
_MOST_SHOWN = 64 * 1024  # of a body, in characters

_LIST = """
SELECT seq AS number, parked_at, service, lane, id, task, version, key, cause, sqlstate, left(message, 300) AS message,
       origin, state
FROM writegate.parked WHERE state = %(state)s AND {condition} AND (%(below)s::bigint IS NULL OR seq < %(below)s::bigint)
ORDER BY seq DESC LIMIT %(limit)s
"""
_COUNT = """
SELECT service, task, cause, count(*)::int AS commands, min(seq) AS first, max(seq) AS last
FROM writegate.parked WHERE state = %(state)s AND {condition} GROUP BY 1, 2, 3 ORDER BY commands DESC, 1, 2, 3
"""
_ONE = """
SELECT seq AS number, parked_at, service, lane, id, task, version, key, parks_key, cause, sqlstate, message, origin,
       headers, raw, state
FROM writegate.parked WHERE seq = %(number)s
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked command as a list shows it. ``number``: by which it is edited."""

    number: int
    parked_at: datetime
    service: str
    lane: int | None
    id: str
    task: str | None
    version: int | None
    key: str | None
    cause: str
    sqlstate: str | None
    message: str
    origin: str | None
    state: str


@dataclass(frozen=True, slots=True)
class ParkedDetail(Parked):
    """One with all that is kept. ``body`` is None when it is no text; ``fields`` when it is no JSON object."""

    parks_key: bool
    headers: Mapping[str, Any]
    body: str | None
    size: int
    sha256: str
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Group:
    """How many fit, of one service, command type and cause. ``last``: the highest number among them."""

    service: str
    task: str | None
    cause: str
    commands: int
    first: int
    last: int


def listed(
    database: Database, selection: Selection, *, state: str = "parked", below: int | None = None, limit: int = PAGE
) -> list[Parked]:
    """Return those that fit, newest first; ``below``: with lower numbers only."""
    condition, parameters = selection.sql()
    asked = {**parameters, "state": state, "below": below, "limit": limit}
    return [Parked(**row) for row in database.all(_LIST.format(condition=condition), asked)]


def groups(database: Database, selection: Selection, *, state: str = "parked") -> list[Group]:
    """Return how many fit."""
    condition, parameters = selection.sql()
    return [Group(**row) for row in database.all(_COUNT.format(condition=condition), {**parameters, "state": state})]


def one(database: Database, number: int) -> ParkedDetail | None:
    """Return one by its number."""
    rows = database.all(_ONE, {"number": number})
    return detail(rows[0]) if rows else None


def detail(row: Row) -> ParkedDetail:
    """Return a row with its body as people read it. Pure."""
    raw = bytes(row["raw"])
    try:
        body = raw.decode()
    except UnicodeDecodeError:
        body = None
    return ParkedDetail(
        **{name: value for name, value in row.items() if name != "raw"},
        body=None if body is None else body[:_MOST_SHOWN],
        size=len(raw),
        sha256=digest(raw),
        fields=fields_of(raw),
    )
