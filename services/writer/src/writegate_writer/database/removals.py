"""The SQL of removals: which commands people want out of the way, before any writer could apply them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from writegate.message.receipt import Cause
from writegate_writer.database.session import Session
from writegate_writer.decide.store import Removal

# The table is nearly always empty: then nothing is looked up in it.
READ_REMOVALS = """
SELECT coalesce(json_agg(json_build_array(ledger_id, dropped, who, reason)), '[]') FROM writegate.removal
WHERE EXISTS (SELECT FROM writegate.removal) AND service = %(service)s AND ledger_id = ANY(%(ids)s::uuid[])
"""
_END = "DELETE FROM writegate.removal WHERE service = %s AND ledger_id = ANY(%s::uuid[])"


def removals_of(rows: Iterable[tuple[str, bool, str, str]]) -> dict[str, Removal]:
    """Return what :data:`READ_REMOVALS` found, by ledger id."""
    found = {}
    for ledger_id, dropped, who, reason in rows:
        done = "dropped" if dropped else "parked"
        found[ledger_id] = Removal(Cause(f"{done}-by-people", f"{done} by {who}: {reason}"), dropped)
    return found


def end_removals(session: Session, service: str, ids: Sequence[str]) -> None:
    """Delete removals that are carried out."""
    session.own(_END, [service, list(ids)])
