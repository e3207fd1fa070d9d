"""Placing and releasing holds. Writers read the holds in every transaction and twice a second."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from writegate.contract.operations import Hold, Release
from writegate.contract.targets import BUILT_IN, Known, TargetError
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import audit
from writegate_writer.operations.audit import Result
from writegate_writer.operations.tables import TABLES

_LANES = "SELECT service, count(*)::int AS lanes FROM writegate.lane WHERE service <> %s GROUP BY service"
_TASKS = "SELECT DISTINCT unnest(tasks) FROM writegate.service"
_TABLES = "SELECT DISTINCT unnest(tables) FROM writegate.domain WHERE name <> %s"
_HOLD = """
INSERT INTO writegate.hold (target, reason, holder, until) VALUES (%s, %s, %s, %s)
ON CONFLICT (target) DO UPDATE
SET reason = excluded.reason, holder = excluded.holder, until = excluded.until, since = clock_timestamp()
"""
_RELEASE = "DELETE FROM writegate.hold WHERE target = %s RETURNING holder, since"


def register(writes: Writes) -> None:
    """Register the handlers."""
    writes.each(Hold, tables=TABLES)(hold)
    writes.each(Release, tables=TABLES)(release)


def known(connection: Connection) -> Known:
    """Return the services, lanes, command types and tables that can be held."""
    ask = connection.exec_driver_sql
    return Known(
        lanes={row.service: row.lanes for row in ask(_LANES, (BUILT_IN,))},
        tasks={task for (task,) in ask(_TASKS)},
        tables={table for (table,) in ask(_TABLES, (BUILT_IN,))},
    )


def hold(connection: Connection, operation: Hold) -> Result:
    """Place a hold; refused when there is no such target."""
    try:
        target = str(known(connection).find(operation.target))
    except TargetError as error:
        return audit.refused(connection, operation, "hold", operation.target, str(error))
    if operation.until is not None and operation.until <= datetime.now(UTC):
        return audit.refused(connection, operation, "hold", target, f"its time is over: {operation.until.isoformat()}")
    connection.exec_driver_sql(_HOLD, (target, operation.reason, operation.by, operation.until))
    audit.write(
        connection, operation, "hold", target, {"until": operation.until.isoformat() if operation.until else None}
    )
    return {"held": target}


def release(connection: Connection, operation: Release) -> Result:
    """End a hold; refused when there is none. Its target may be gone meanwhile."""
    try:
        target = str(known(connection).find(operation.target))
    except TargetError:
        target = operation.target
    row = connection.exec_driver_sql(_RELEASE, (target,)).fetchone()
    if row is None:
        return audit.refused(connection, operation, "release", target, f"there is no hold on {target}")
    holder, since = row
    audit.write(connection, operation, "release", target, {"held_by": holder, "since": since.isoformat()})
    return {"released": target}
