"""What the database still knows of one id."""

from __future__ import annotations

from collections.abc import Sequence

from writegate.contract.ids import ledger_id
from writegate_console.gate.database import Database, Row
from writegate_console.gate.parked.queries import history
from writegate_console.gate.trace.story import Found

# Each of these indexes begins with the service: naming all of them makes every look-up a descent.
_LEDGER = """
SELECT l.service, l.outcome, b.id AS batch, b.domain, b.writer, b.xid, b.commands, b.started_at, b.committed_at
FROM writegate.ledger l LEFT JOIN writegate.batch b ON b.id = l.batch
WHERE l.service = ANY(%(services)s) AND l.id = %(ledger_id)s::uuid
"""
_PARKED = """
SELECT seq AS number, parked_at, service, lane, task, version, key, origin, cause, sqlstate, message, state
FROM writegate.parked WHERE service = ANY(%(services)s) AND id = %(id)s ORDER BY seq
"""
_DEFERRED = """
SELECT deferred_at, service, lane, task, version, key, origin, reason, not_after, state
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
SELECT one.parent::text AS parent, one.child::text AS id, decided.service, coalesce(decided.state, 'sent') AS state
FROM writegate.ledger l
JOIN writegate.emission e ON e.batch = l.batch
CROSS JOIN LATERAL unnest(e.parents, e.children) AS one (parent, child)
LEFT JOIN LATERAL (
    SELECT d.service, CASE d.outcome WHEN 'a' THEN 'applied' ELSE 'parked' END AS state FROM writegate.ledger d
    WHERE d.service = ANY(%(services)s) AND d.id = one.child LIMIT 1
) decided ON true
WHERE l.service = ANY(%(services)s) AND l.id = ANY(%(ledger_ids)s::uuid[]) AND one.parent = l.id
LIMIT %(most)s
"""
MOST_EMITTED = 500  # a handler may emit any number: more nobody reads


def emitted(database: Database, ids: Sequence[str]) -> list[Row]:
    """Return what these commands emitted: ``parent``, ``id``, ``service`` and ``state``, as the ledger has it."""
    of = {ledger_id(id_): id_ for id_ in ids}
    parameters = {"services": database.services(), "ledger_ids": list(of), "most": MOST_EMITTED}
    return [{**row, "parent": of[row["parent"]]} for row in database.all(_EMITTED, parameters)]


def find(database: Database, id_: str) -> Found:
    """Return all rows about a command id."""
    services = database.services()
    parameters = {"id": id_, "ledger_id": ledger_id(id_), "services": services}
    parked = database.all(_PARKED, parameters)
    return Found(
        id=id_,
        services=tuple(services),
        ledger=database.all(_LEDGER, parameters),
        parked=parked,
        deferred=database.all(_DEFERRED, parameters),
        suspects=database.all(_SUSPECT, parameters),
        outbox=database.all(_OUTBOX, parameters),
        emitted=emitted(database, [id_]),
        actions=[row for one in parked for row in history(database, one["number"])],
    )
