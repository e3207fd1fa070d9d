"""Queries: what the database still has of one command id."""

from __future__ import annotations

from collections.abc import Sequence

from writegate.contract.ids import ledger_id
from writegate.contract.operations import DEFERRED, PARKED
from writegate_console.gate.audit import actions_on
from writegate_console.gate.database import Database, Row
from writegate_console.gate.trace.story import CommandRows

# Each of these indexes begins with the service: with the services named, every query is an index search.
_LEDGER = """
SELECT l.service, l.outcome, l.reason, l.result, b.id AS batch, b.domain, b.writer, b.xid, b.commands, b.started_at,
       b.committed_at
FROM writegate.ledger l LEFT JOIN writegate.batch b ON b.id = l.batch
WHERE l.service = ANY(%(services)s) AND l.id = %(ledger_id)s::uuid
"""
_PARKED = """
SELECT seq AS number, parked_at, service, lane, task, version, key, origin, cause, sqlstate, message, state
FROM writegate.parked WHERE service = ANY(%(services)s) AND id = %(id)s ORDER BY seq
"""
_DEFERRED = """
SELECT number, deferred_at, service, lane, task, version, key, origin, reason, not_after, state
FROM writegate.deferred WHERE service = ANY(%(services)s) AND ledger_id = %(ledger_id)s::uuid ORDER BY seq
"""
_SUSPECT = """
SELECT service, writer, times FROM writegate.suspect
WHERE service = ANY(%(services)s) AND id = %(ledger_id)s::uuid
"""
_OUTBOX = """
SELECT service, task, id::text AS id, key, parent, origin
FROM writegate.outbox WHERE id = %(ledger_id)s::uuid OR parent = %(id)s ORDER BY seq
"""

_EMITTED = """
SELECT pair.parent::text AS parent, pair.child::text AS id, finished.service, coalesce(finished.state, 'sent') AS state
FROM writegate.ledger l
JOIN writegate.emission e ON e.batch = l.batch
CROSS JOIN LATERAL unnest(e.parents, e.children) AS pair (parent, child)
LEFT JOIN LATERAL (
    SELECT d.service, CASE d.outcome WHEN 'a' THEN 'applied' WHEN 'd' THEN 'declined' ELSE 'parked' END AS state
    FROM writegate.ledger d
    WHERE d.service = ANY(%(services)s) AND d.id = pair.child LIMIT 1
) finished ON true
WHERE l.service = ANY(%(services)s) AND l.id = ANY(%(ledger_ids)s::uuid[]) AND pair.parent = l.id
LIMIT %(most)s
"""
MAX_EMITTED = 500  # a handler may emit any number; nobody reads more


def emitted_commands(database: Database, ids: Sequence[str]) -> list[Row]:
    """Return what these commands emitted: ``parent``, ``id``, ``service`` and ``state``, by the ledger."""
    by_ledger_id = {ledger_id(id_): id_ for id_ in ids}
    parameters = {"services": database.services(), "ledger_ids": list(by_ledger_id), "most": MAX_EMITTED}
    return [{**row, "parent": by_ledger_id[row["parent"]]} for row in database.all(_EMITTED, parameters)]


def command_rows(database: Database, id_: str) -> CommandRows:
    """Return all rows about a command id."""
    services = database.services()
    parameters = {"id": id_, "ledger_id": ledger_id(id_), "services": services}
    parked, deferred = database.all(_PARKED, parameters), database.all(_DEFERRED, parameters)
    return CommandRows(
        id=id_,
        services=tuple(services),
        ledger=database.all(_LEDGER, parameters),
        parked=parked,
        deferred=deferred,
        suspects=database.all(_SUSPECT, parameters),
        outbox=database.all(_OUTBOX, parameters),
        emitted=emitted_commands(database, [id_]),
        actions=[
            *(row for command in parked for row in actions_on(database, PARKED, command["number"])),
            *(row for command in deferred for row in actions_on(database, DEFERRED, command["number"])),
        ],
    )
