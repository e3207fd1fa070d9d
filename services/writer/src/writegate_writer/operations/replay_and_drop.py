"""Replaying and dropping parked commands: one page in each transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from writegate.contract.operations import PARKED, Drop, Replay
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.kept_commands import Placed, place
from writegate_writer.operations.kept_rows import KeptRow, installed, lock, page, revise
from writegate_writer.operations.tables import TABLES

# A replayed command becomes a deferred one, in the place that it got when it was parked: behind what of its key was
# deferred before, ahead of what was deferred behind it. ON CONFLICT: a command has one row in this table, so a row that
# is not deferred any more is used again.
_REPLAY = """
WITH given AS (
    SELECT * FROM unnest(%(numbers)s::bigint[], %(domains)s::text[], %(lanes)s::int[], %(keys)s::text[],
                         %(ledger_ids)s::uuid[]) AS given (number, domain, lane, key, ledger_id)
), moved AS (
    INSERT INTO writegate.deferred AS d (seq, domain, service, lane, id, ledger_id, task, version, key, hash, reason,
                                         origin, headers, raw, parked)
    SELECT p.place, given.domain, p.service, given.lane, p.id, given.ledger_id, p.task,
           coalesce(p.version, 1), given.key, p.hash, %(reason)s, p.origin, p.headers, p.raw, p.seq
    FROM given JOIN writegate.parked p ON p.seq = given.number
    ON CONFLICT (service, ledger_id) DO UPDATE
    SET seq = excluded.seq, deferred_at = clock_timestamp(), domain = excluded.domain, lane = excluded.lane,
        id = excluded.id, task = excluded.task, version = excluded.version, key = excluded.key, hash = excluded.hash,
        reason = excluded.reason, not_after = NULL, newer = false, origin = excluded.origin, reply_to = NULL,
        headers = excluded.headers, raw = excluded.raw, parked = excluded.parked, state = 'deferred'
    WHERE d.state <> 'deferred'
    RETURNING d.parked
)
UPDATE writegate.parked p SET state = 'replaying' FROM moved WHERE p.seq = moved.parked RETURNING p.seq
"""
_DROP = "UPDATE writegate.parked SET state = 'dropped' WHERE seq = ANY(%s)"

_WAITS = "another command of its id waits"
_NO_LANE = "its lane does not exist: see `writegate plan`"


def register(writes: Writes) -> None:
    """Register the handlers."""
    writes.each(Replay, tables=TABLES)(replay)
    writes.each(Drop, tables=TABLES)(drop)


def replay(connection: Connection, operation: Replay) -> Result:
    """Make parked commands deferred ones, which the owners of their domains apply as they do any deferred command."""
    rows = page(connection, PARKED, operation.selection, operation.limit, operation.after, operation.up_to)
    skipped: Counter[str] = Counter()
    placed: dict[tuple[str, str], Placed] = {}
    for row in rows:
        found = place(row, installed())
        if isinstance(found, str):
            skipped[found] += 1
        elif (row.service, found.ledger_id) in placed:
            skipped[_WAITS] += 1
        else:
            placed[row.service, found.ledger_id] = found
    moved = _move(connection, list(placed.values()), skipped)
    return audit.report_page(connection, operation, "replay", rows, moved, skipped)


def _move(connection: Connection, placed: Sequence[Placed], skipped: Counter[str]) -> list[KeptRow]:
    wanted = [(parked.row.service, parked.lane) for parked in placed]
    # Later commands of their keys are deferred in the domain of the lane in which these were parked.
    behind = [
        (parked.row.service, parked.row.lane)
        for parked in placed
        if parked.row.parks_key and parked.row.lane is not None
    ]
    domains = lock(connection, [*wanted, *behind])
    there = [parked for parked in placed if (parked.row.service, parked.lane) in domains]
    parameters = {
        "numbers": [parked.row.number for parked in there],
        "domains": [domains[parked.row.service, parked.lane] for parked in there],
        "lanes": [parked.lane for parked in there],
        "keys": [parked.item.key for parked in there],
        "ledger_ids": [parked.ledger_id for parked in there],
        "reason": "replayed",
    }
    numbers = {number for (number,) in connection.exec_driver_sql(_REPLAY, parameters)}
    skipped[_NO_LANE] += len(placed) - len(there)
    skipped[_WAITS] += len(there) - len(numbers)
    revise(connection, domains.values())
    return [parked.row for parked in there if parked.row.number in numbers]


def drop(connection: Connection, operation: Drop) -> Result:
    """Mark parked commands as dropped: they will never be applied."""
    rows = page(connection, PARKED, operation.selection, operation.limit, operation.after, operation.up_to)
    domains = lock(connection, [(row.service, row.lane) for row in rows if row.parks_key and row.lane is not None])
    connection.exec_driver_sql(_DROP, ([row.number for row in rows],))
    revise(connection, domains.values())
    return audit.report_page(connection, operation, "drop", rows, rows, Counter())
