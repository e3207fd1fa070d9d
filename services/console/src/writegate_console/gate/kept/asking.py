"""How the tables of kept commands are asked: one query serves both, with the names of the table's columns filled in."""

from __future__ import annotations

from typing import Any

from writegate.contract.operations import DEFERRED, PARKED, KeptTable, Selection
from writegate_console.gate.database import Database, Row

# What people have decided about a deferred command, and a writer has yet to carry out.
_REMOVAL = """LEFT JOIN LATERAL (
    SELECT who AS removed_by, dropped FROM writegate.removal r
    WHERE r.service = kept.service AND r.ledger_id = kept.ledger_id AND kept.state = 'deferred') removal ON true"""
_ROWS = {PARKED: "writegate.parked AS kept", DEFERRED: f"writegate.deferred AS kept {_REMOVAL}"}
_STATE = {
    PARKED: "state",
    DEFERRED: "CASE WHEN dropped THEN 'dropping' WHEN NOT dropped THEN 'parking' ELSE state END",
}
# The states that rows are searched by, each with its condition.
STATES = {
    PARKED: {state: f"kept.state = '{state}'" for state in ("parked", "replaying", "replayed", "dropped")},
    DEFERRED: {
        "deferred": DEFERRED.undecided,
        "parking": "kept.state = 'deferred' AND NOT dropped",
        "dropping": "kept.state = 'deferred' AND dropped",
    },
}


def ask(  # noqa: PLR0913  a query, and what goes into it
    database: Database,
    query: str,
    kept: KeptTable,
    selection: Selection,
    *,
    state: str | None = None,
    more: str = "",
    **parameters: Any,
) -> list[Row]:
    """Return the rows of a query.

    It has ``{rows}`` for the table, ``{condition}`` for the selection and ``state`` (by default any state), ``{more}``
    for columns that only one table has, and ``{number}``, ``{kept_at}``, ``{cause}`` and ``{state}`` for columns.
    """
    condition, compared = selection.sql(kept)
    text = query.format(
        rows=_ROWS[kept],
        condition=condition if state is None else f"{STATES[kept][state]} AND {condition}",
        number=kept.number,
        kept_at=kept.kept_at,
        cause=kept.cause,
        state=_STATE[kept],
        more=more,
    )
    return database.all(text, {**compared, **parameters})
