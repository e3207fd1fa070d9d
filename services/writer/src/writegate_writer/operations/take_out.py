"""Taking one command out of the way before a writer applies it, wherever it is."""

from __future__ import annotations

from sqlalchemy import Connection

from writegate.contract.ids import ledger_id
from writegate.contract.operations import TakeOut
from writegate.contract.targets import BUILT_IN
from writegate_writer.decide.store import OUTCOMES
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.kept_rows import lock, revise
from writegate_writer.operations.tables import TABLES
from writegate_writer.receive.sanitizing import sanitize_text

_LANES = "SELECT lane FROM writegate.lane WHERE service = %s AND service <> %s"
_FINISHED = "SELECT outcome FROM writegate.ledger WHERE service = %s AND id = %s LIMIT 1"
_REMOVE = """
INSERT INTO writegate.removal (service, ledger_id, dropped, who, reason) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (service, ledger_id) DO UPDATE
SET dropped = excluded.dropped, who = excluded.who, reason = excluded.reason, removed_at = clock_timestamp()
"""
# A message that comes later than that is parked for its age, or its id is not recognised any more.
_FORGET = """
DELETE FROM writegate.removal r USING writegate.service s
WHERE s.name = r.service AND r.removed_at < clock_timestamp() - s.retention
      AND NOT EXISTS (SELECT FROM writegate.deferred d
                      WHERE d.service = r.service AND d.ledger_id = r.ledger_id AND d.state = 'deferred')
"""


def register(writes: Writes) -> None:
    """Register the handler."""
    writes.each(TakeOut, tables=TABLES)(take_out)


def take_out(connection: Connection, operation: TakeOut) -> Result:
    """Write down that a command is not to be applied; refused when it is finished, or its service is unknown."""
    action, target = "drop" if operation.drop else "park", f"command {operation.service} {operation.id}"
    lanes = [(operation.service, lane) for (lane,) in connection.exec_driver_sql(_LANES, (operation.service, BUILT_IN))]
    if not lanes:
        return audit.refused(connection, operation, action, target, f"there is no service {operation.service!r}")
    # No batch of the service runs now. So the command is finished, or it never will be applied.
    domains = lock(connection, lanes)
    id_ = ledger_id(operation.id)
    finished = connection.exec_driver_sql(_FINISHED, (operation.service, id_)).scalar()
    if finished is not None:
        why = f"it is finished: {OUTCOMES[finished]}; see `writegate trace {operation.id}`"
        return audit.refused(connection, operation, action, target, why)
    connection.exec_driver_sql(_FORGET)
    who, reason = sanitize_text(operation.by), sanitize_text(operation.reason)
    connection.exec_driver_sql(_REMOVE, (operation.service, id_, operation.drop, who, reason))
    revise(connection, domains.values())  # a deferred one is tried at once
    audit.write(connection, operation, action, target, {})
    return {"removed": operation.id[:200]}
