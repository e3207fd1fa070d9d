"""Replaying, parking and dropping deferred commands: one page in each transaction.

None of that moves a command ahead of another of its key: the owner of the domain still tries what is deferred oldest
first, and an action only says when, and that a command is not to be applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from writegate.contract.operations import DEFERRED, DropDeferred, OnKept, ParkDeferred, ReplayDeferred
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.kept_rows import KeptRow, lock, page, revise
from writegate_writer.operations.tables import TABLES
from writegate_writer.receive.sanitizing import sanitize_text

# In a statement of its own after the lock: what an owner has decided until then stays decided.
_STILL_DEFERRED = "SELECT number FROM writegate.deferred WHERE number = ANY(%s) AND state = 'deferred'"
_REMOVE = """
INSERT INTO writegate.removal (service, ledger_id, dropped, who, reason)
SELECT service, ledger_id, %s, %s, %s FROM writegate.deferred WHERE number = ANY(%s)
ON CONFLICT (service, ledger_id) DO UPDATE
SET dropped = excluded.dropped, who = excluded.who, reason = excluded.reason, removed_at = clock_timestamp()
"""
_IN_TURN = f"""
WITH chosen AS (
    SELECT number, service, key, seq FROM writegate.deferred WHERE number = ANY(%(numbers)s) AND state = 'deferred'
), others AS (
    SELECT service, key, min(seq) AS seq FROM writegate.deferred kept
    WHERE {DEFERRED.undecided} AND number <> ALL(%(numbers)s) AND (service, key) IN (SELECT service, key FROM chosen)
    GROUP BY service, key
)
SELECT number, coalesce(others.seq < chosen.seq, false)
       OR EXISTS (SELECT FROM writegate.parked p
                  WHERE p.service = chosen.service AND p.key = chosen.key AND p.state = 'parked' AND p.parks_key)
FROM chosen LEFT JOIN others USING (service, key) ORDER BY chosen.seq
"""  # noqa: S608  a condition of ours
_DECIDED = "it was decided meanwhile"


def register(writes: Writes) -> None:
    """Register the handlers."""
    writes.each(ReplayDeferred, tables=TABLES)(replay)
    writes.each(ParkDeferred, tables=TABLES)(park)
    writes.each(DropDeferred, tables=TABLES)(drop)


def replay(connection: Connection, operation: ReplayDeferred) -> Result:
    """Have the owners of their domains try deferred commands at once: a new revision begins a new pass over them."""
    rows, waiting = _locked_page(connection, operation)
    return _report(connection, operation, "replay", rows, waiting)


def park(connection: Connection, operation: ParkDeferred) -> Result:
    """Have the owners of their domains park deferred commands."""
    return _remove(connection, operation, "park", dropped=False)


def drop(connection: Connection, operation: DropDeferred) -> Result:
    """Have the owners of their domains drop deferred commands."""
    return _remove(connection, operation, "drop", dropped=True)


def _remove(connection: Connection, operation: OnKept, action: str, *, dropped: bool) -> Result:
    rows, waiting = _locked_page(connection, operation)
    who, reason = sanitize_text(operation.by), sanitize_text(operation.reason)
    connection.exec_driver_sql(_REMOVE, (dropped, who, reason, [row.number for row in waiting]))
    return _report(connection, operation, action, rows, waiting)


def _locked_page(connection: Connection, operation: OnKept) -> tuple[Sequence[KeptRow], Sequence[KeptRow]]:
    """Return a page, and which of it are still deferred now that no batch of their domains runs.

    Each domain gets a new revision: no later transaction of its owner decides by what the owner read before.
    """
    rows = page(connection, operation.kept, operation.selection, operation.limit, operation.after, operation.up_to)
    domains = lock(connection, [(row.service, row.lane) for row in rows if row.lane is not None])
    found = connection.exec_driver_sql(_STILL_DEFERRED, ([row.number for row in rows],))
    numbers = {number for (number,) in found}
    revise(connection, domains.values())
    return rows, [row for row in rows if row.number in numbers]


def in_turn(connection: Connection, rows: Sequence[KeptRow]) -> tuple[list[KeptRow], set[int]]:
    """Return those rows that are deferred now, in the order in which they are tried.

    Also returns the numbers of those that wait behind others than these. Their domains are locked.
    """
    by_number = {row.number: row for row in rows}
    found = connection.exec_driver_sql(_IN_TURN, {"numbers": list(by_number)}).fetchall()
    return [by_number[number] for number, _ in found], {number for number, is_behind in found if is_behind}


def _report(
    connection: Connection, operation: OnKept, action: str, rows: Sequence[KeptRow], done: Sequence[KeptRow]
) -> Result:
    return audit.report_page(connection, operation, action, rows, done, Counter({_DECIDED: len(rows) - len(done)}))
