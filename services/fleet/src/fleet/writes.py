"""How commands change the airframes: ready-made handlers, since the columns are the commands' fields."""

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

_count = rows.increment(airframe, by={"inspections": 1})
_note = rows.upsert(airframe)


@writes.handler(RecordInspection)
def record_inspections(connection: Connection, commands: Sequence[RecordInspection]) -> None:
    """Count them, and keep what the last one says."""
    _count(connection, commands)
    _note(connection, commands)
