"""Parked commands as the page searches, counts and shows them.

A search and an action with the same selection mean the same commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate.contract.operations import Selection
from writegate_console.gate.database import Database, Row
from writegate_console.gate.parked.fields import BODY_NOT_KEPT, body_digest, fields_of

PAGE_COMMANDS = 50
_MAX_BODY_CHARACTERS = 64 * 1024

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
_DETAIL = """
SELECT seq AS number, parked_at, service, lane, id, task, version, key, parks_key, cause, sqlstate, message, origin,
       headers, raw, state
FROM writegate.parked WHERE seq = %(number)s
"""


@dataclass(frozen=True, slots=True)
class ParkedCommand:
    """One parked command as a list shows it. ``number``: by which it is edited, replayed and dropped."""

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
class ParkedDetail(ParkedCommand):
    """One parked command with all that is kept.

    ``body`` is None when it is not text, ``fields`` when it is no JSON object; ``size``: of the body, in bytes.
    """

    parks_key: bool
    headers: Mapping[str, Any]
    body: str | None
    size: int
    sha256: str
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ParkedGroup:
    """How many match, of one service, command type and cause. ``first``, ``last``: their lowest and highest number."""

    service: str
    task: str | None
    cause: str
    commands: int
    first: int
    last: int


def newest_parked(
    database: Database,
    selection: Selection,
    *,
    state: str = "parked",
    below: int | None = None,
    limit: int = PAGE_COMMANDS,
) -> list[ParkedCommand]:
    """Return those that match, newest first; ``below``: only lower numbers."""
    condition, parameters = selection.sql()
    parameters = {**parameters, "state": state, "below": below, "limit": limit}
    return [ParkedCommand(**row) for row in database.all(_LIST.format(condition=condition), parameters)]


def count_groups(database: Database, selection: Selection, *, state: str = "parked") -> list[ParkedGroup]:
    """Return how many match, largest group first. Reads an index only, unless the selection has a text."""
    condition, parameters = selection.sql()
    return [
        ParkedGroup(**row) for row in database.all(_COUNT.format(condition=condition), {**parameters, "state": state})
    ]


def parked_detail(database: Database, number: int) -> ParkedDetail | None:
    """Return one parked command by its number, None when there is none."""
    rows = database.all(_DETAIL, {"number": number})
    return detail_of(rows[0]) if rows else None


def detail_of(row: Row) -> ParkedDetail:
    """Return a row with its body as text. Pure."""
    raw = bytes(row["raw"])
    try:
        body = raw.decode() or BODY_NOT_KEPT
    except UnicodeDecodeError:
        body = None
    return ParkedDetail(
        **{name: value for name, value in row.items() if name != "raw"},
        body=None if body is None else body[:_MAX_BODY_CHARACTERS],
        size=len(raw),
        sha256=body_digest(raw),
        fields=fields_of(raw),
    )
