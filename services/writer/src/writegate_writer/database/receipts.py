"""The SQL of receipts: what became of commands, for senders who ask."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import from_json

from writegate.contract.ids import ledger_id
from writegate.message.receipt import Cause, Receipt
from writegate_writer.database.session import Session
from writegate_writer.decide.store import APPLIED, DECLINED, PARKED
from writegate_writer.receive.sanitizing import sanitize_text

# What is found in the ledger was committed before this statement: the position now is an upper bound of its commit's.
_LOOK_UP = """
SELECT position, l.outcome, b.xid, pg_current_wal_insert_lsn()::text, b.committed_at, l.result::text, l.reason,
       p.cause, p.message, p.sqlstate, d.reason
FROM unnest(%(ids)s::text[], %(ledger_ids)s::uuid[]) WITH ORDINALITY AS given (id, ledger_id, position)
LEFT JOIN writegate.ledger l ON l.service = %(service)s AND l.id = given.ledger_id
LEFT JOIN writegate.batch b ON b.id = l.batch
LEFT JOIN writegate.parked p ON l.outcome = 'p' AND p.service = l.service AND p.id = given.id AND p.hash = l.hash
LEFT JOIN writegate.deferred d ON d.service = %(service)s AND d.ledger_id = given.ledger_id AND d.state = 'deferred'
WHERE l.outcome IS NOT NULL OR d.reason IS NOT NULL
"""


def look_up(session: Session, service: str, ids: Sequence[str]) -> dict[str, Receipt]:
    """Return what is known of commands; those that were never seen are left out."""
    parameters = {
        "service": service,
        "ids": [sanitize_text(id_) for id_ in ids],
        "ledger_ids": [ledger_id(id_) for id_ in ids],
    }
    found: dict[str, Receipt] = {}
    rows = session.own(_LOOK_UP, parameters)
    for position, outcome, xid, lsn, at, result, declined, cause, message, sqlstate, reason in rows:
        id_ = ids[position - 1]
        if outcome == APPLIED:
            found[id_] = Receipt(id_, "applied", xid, lsn, at, None if result is None else from_json(result))
        elif outcome == DECLINED:
            found[id_] = Receipt(id_, "declined", xid, lsn, at, cause=Cause("declined", declined))
        elif outcome == PARKED:
            found[id_] = Receipt(id_, "parked", xid, lsn, at, cause=Cause(cause or "parked", message or "", sqlstate))
        else:
            found[id_] = Receipt(id_, "deferred", cause=Cause("deferred", reason))
    return found
