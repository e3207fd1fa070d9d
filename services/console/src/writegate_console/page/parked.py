"""Parked commands: searched, counted and shown. What is selected here is what an action on the same selection moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate.operations import Selection
from writegate_console.database import Database, Row

PAGE = 50
_MOST_SHOWN = 64 * 1024  # of a body, in characters

# Without a service all of them are named: the index on ids begins with it. A text is looked for in the bytes, for a
# body need not be text at all.
_FITS = """
    state = %(state)s AND (%(service)s::text IS NULL OR service = %(service)s)
    AND (%(task)s::text IS NULL OR task = %(task)s) AND (%(cause)s::text IS NULL OR cause = %(cause)s)
    AND (%(key)s::text IS NULL OR key = %(key)s)
    AND (%(id)s::text IS NULL OR (service = ANY(%(services)s) AND id = %(id)s))
    AND (%(since)s::timestamptz IS NULL OR parked_at >= %(since)s)
    AND (%(before)s::timestamptz IS NULL OR parked_at < %(before)s)
    AND (%(numbers)s::bigint[] IS NULL OR seq = ANY(%(numbers)s::bigint[]))
    AND (%(text)s::text IS NULL OR position(convert_to(%(text)s, 'UTF8') IN raw) > 0)
"""
_LIST = f"""
SELECT seq AS number, parked_at, service, lane, id, task, version, key, cause, sqlstate, left(message, 300) AS message,
       origin, state
FROM writegate.parked WHERE {_FITS} AND (%(below)s::bigint IS NULL OR seq < %(below)s::bigint)
ORDER BY seq DESC LIMIT %(limit)s
"""  # noqa: S608  no value is in it
_COUNT = f"""
SELECT service, task, cause, count(*)::int AS commands, min(seq) AS first, max(seq) AS last
FROM writegate.parked WHERE {_FITS} GROUP BY 1, 2, 3 ORDER BY commands DESC, 1, 2, 3
"""  # noqa: S608
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
    parameters = {**_parameters(database, selection, state), "below": below, "limit": limit}
    return [Parked(**row) for row in database.all(_LIST, parameters)]


def groups(database: Database, selection: Selection, *, state: str = "parked") -> list[Group]:
    """Return how many fit."""
    return [Group(**row) for row in database.all(_COUNT, _parameters(database, selection, state))]


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
        sha256=hashlib.sha256(raw).hexdigest(),
        fields=_fields(body),
    )


def _fields(body: str | None) -> Mapping[str, Any] | None:
    """Return the command's fields: the body of a command is its fields, or Celery's triple around them."""
    try:
        value = json.loads(body or "")
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and len(value) == 3 and isinstance(value[1], dict):
        value = value[1]
    return value if isinstance(value, dict) else None


def _parameters(database: Database, selection: Selection, state: str) -> Mapping[str, Any]:
    services: Sequence[str] = []
    if selection.id is not None:
        services = [selection.service] if selection.service else database.services()
    numbers = list(selection.numbers) if selection.numbers is not None else None
    return {**selection.model_dump(), "numbers": numbers, "services": services, "state": state}
