"""The last value of each sensor, and how often it was written: what the ready-made upsert does, and a count."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from writegate_writer import Writes
from writegate_writer.handlers import rows

from .contract import Observe, readings
from .tables import reading

_OBSERVE = """
insert into readings.reading as r (sensor, value, writes)
select sensor, (array_agg(value order by place desc))[1], count(*)
from unnest(%s::int[], %s::float8[]) with ordinality as given (sensor, value, place)
group by sensor order by sensor
on conflict (sensor) do update set value = excluded.value, writes = r.writes + excluded.writes
"""

writes = Writes(readings, tables=[reading])


@writes.handler(Observe)
def observe(connection: Connection, commands: Sequence[Observe]) -> None:
    arrays = (rows.array(command.sensor for command in commands), rows.array(command.value for command in commands))
    connection.exec_driver_sql(_OBSERVE, arrays)
