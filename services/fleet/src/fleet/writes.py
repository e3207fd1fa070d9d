"""How commands change the airframes: ready-made handlers, since columns and fields have the same names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from fleet.contract import LogFlight, RecordInspection, RegisterAirframe, fleet
from fleet.tables import airframe
from writegate_writer import Writes
from writegate_writer.handlers import rows

writes = Writes(fleet, tables=[airframe])
writes.add(LogFlight, rows.increment(airframe, by={"minutes": "minutes", "cycles": 1}))
writes.add(RegisterAirframe, rows.upsert(airframe))

_count_inspections = rows.increment(airframe, by={"inspections": 1})
_keep_last_inspection = rows.upsert(airframe)


@writes.handler(RecordInspection)
def record_inspections(connection: Connection, commands: Sequence[RecordInspection]) -> None:
    """Count the inspections, and keep the fields of the last one."""
    _count_inspections(connection, commands)
    _keep_last_inspection(connection, commands)
