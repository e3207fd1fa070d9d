"""How commands change the airframes: ready-made handlers, since columns and fields have the same names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, or_

from fleet.contract import LogFlight, RecordInspection, RegisterAirframe, fleet
from fleet.tables import airframe
from writegate_writer import Writes
from writegate_writer.handlers import rows
from writegate_writer.handlers.writes import Results

writes = Writes(fleet, tables=[airframe])
writes.add(LogFlight, rows.increment(airframe, by={"minutes": "minutes", "cycles": 1}))
writes.add(RegisterAirframe, rows.upsert(airframe))

_count_inspections = rows.increment(airframe, by={"inspections": 1})
_keep_last_inspection = rows.upsert(
    airframe,
    where=lambda row, given: or_(row.inspected_on.is_(None), row.inspected_on <= given.inspected_on),
    reason="a later inspection is recorded",
)


@writes.handler(RecordInspection)
def record_inspections(connection: Connection, commands: Sequence[RecordInspection]) -> Results:
    """Keep the fields of the last inspection and count it; one from before it is declined."""
    declined = _keep_last_inspection(connection, commands) or {}
    _count_inspections(connection, [command for command in commands if command.command_id not in declined])
    return declined
