"""Parked and deferred commands as the page searches, counts and shows them.

A search and an action with the same selection mean the same commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from writegate.contract.operations import DEFERRED, PARKED, KeptTable, Selection
from writegate_console.gate.database import Database, Row
from writegate_console.gate.kept.asking import ask
from writegate_console.gate.kept.fields import BODY_NOT_KEPT, body_digest, fields_of

PAGE_COMMANDS = 50
_MAX_BODY_CHARACTERS = 64 * 1024

_LIST = """
SELECT {number} AS number, {kept_at}, service, lane, id, task, version, key, {cause} AS cause, origin, {state} AS state,
       {more}
FROM {rows} WHERE {condition} AND (%(below)s::bigint IS NULL OR {number} < %(below)s::bigint)
      AND {number} >= %(lowest)s::bigint
ORDER BY {number} DESC LIMIT %(limit)s
"""
_COUNT = """
SELECT service, task, {cause} AS cause, count(*)::int AS commands, min({number}) AS first, max({number}) AS last
FROM {rows} WHERE {condition} GROUP BY 1, 2, 3 ORDER BY commands DESC, 1, 2, 3
"""
_DETAIL = """
SELECT {number} AS number, {kept_at}, service, lane, id, task, version, key, {cause} AS cause, origin, {state} AS state,
       headers, raw, {more}
FROM {rows} WHERE {condition}
"""


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """One parked or deferred command as a list shows it. ``number``: by which people name it."""

    number: int
    service: str
    lane: int | None
    id: str
    task: str | None
    version: int | None
    key: str | None
    cause: str
    origin: str | None
    state: str


@dataclass(frozen=True, slots=True)
class ParkedCommand(KeptCommand):
    """One parked command as a list shows it."""

    table: ClassVar[KeptTable] = PARKED
    more: ClassVar[str] = "sqlstate, left(message, 300) AS message"

    parked_at: datetime
    sqlstate: str | None
    message: str


@dataclass(frozen=True, slots=True)
class DeferredCommand(KeptCommand):
    """One deferred command as a list shows it. ``cause``: what it waits for.

    ``not_after``: when it is parked if it still waits; ``removed_by``: who has parked or dropped it, if a writer has
    yet to carry that out.
    """

    table: ClassVar[KeptTable] = DEFERRED
    more: ClassVar[str] = "not_after, removed_by"

    deferred_at: datetime
    not_after: datetime | None
    removed_by: str | None


@dataclass(frozen=True, slots=True)
class ParkedDetail(ParkedCommand):
    """One parked command with all that is kept.

    ``body`` is None when it is not text, ``fields`` when it is no JSON object; ``size``: of the body, in bytes.
    """

    more: ClassVar[str] = "sqlstate, message, parks_key"

    parks_key: bool
    headers: Mapping[str, Any]
    body: str | None
    size: int
    sha256: str
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class DeferredDetail(DeferredCommand):
    """One deferred command with all that is kept, as :class:`ParkedDetail` has it."""

    headers: Mapping[str, Any]
    body: str | None
    size: int
    sha256: str
    fields: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """How many match, of one service, command type and cause. ``first``, ``last``: their lowest and highest number."""

    service: str
    task: str | None
    cause: str
    commands: int
    first: int
    last: int


Listed = TypeVar("Listed", bound=ParkedCommand | DeferredCommand)
Detail = TypeVar("Detail", bound=ParkedDetail | DeferredDetail)


def search(  # noqa: PLR0913  which of them
    database: Database,
    kind: type[Listed],
    selection: Selection,
    *,
    state: str | None = None,
    below: int | None = None,
    limit: int = PAGE_COMMANDS,
) -> tuple[list[KeptGroup], list[Listed]]:
    """Return how many match, as :func:`count_groups` does, and the newest of them; ``below``: only lower numbers.

    A text is looked for once in all bodies, not twice: the newest are looked for where something was counted.
    """
    groups = count_groups(database, kind.table, selection, state=state)
    if not groups:
        return [], []
    above_last = max(group.last for group in groups) + 1
    rows = ask(
        database,
        _LIST,
        kind.table,
        selection,
        state=state or kind.table.name,
        more=kind.more,
        below=above_last if below is None else min(below, above_last),
        lowest=min(group.first for group in groups),
        limit=limit,
    )
    return groups, [kind(**row) for row in rows]


def count_groups(
    database: Database, kept: KeptTable, selection: Selection, *, state: str | None = None
) -> list[KeptGroup]:
    """Return how many match, largest group first. Of parked ones it reads an index only, unless there is a text."""
    return [KeptGroup(**row) for row in ask(database, _COUNT, kept, selection, state=state or kept.name)]


def detail(database: Database, kind: type[Detail], number: int) -> Detail | None:
    """Return one command by its number, None when there is none."""
    rows = ask(database, _DETAIL, kind.table, Selection(numbers=(number,)), more=kind.more)
    return detail_of(kind, rows[0]) if rows else None


def detail_of(kind: type[Detail], row: Row) -> Detail:
    """Return a row with its body as text. Pure."""
    raw = bytes(row["raw"])
    try:
        body = raw.decode() or BODY_NOT_KEPT
    except UnicodeDecodeError:
        body = None
    return kind(
        **{name: value for name, value in row.items() if name != "raw"},
        body=None if body is None else body[:_MAX_BODY_CHARACTERS],
        size=len(raw),
        sha256=body_digest(raw),
        fields=fields_of(raw),
    )
