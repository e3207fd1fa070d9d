"""How observations change the table: columns and fields have the same names, so a ready-made handler is enough."""

from __future__ import annotations

from weather.contract import Observe, weather
from weather.tables import observation
from writegate_writer import Writes
from writegate_writer.handlers import rows

writes = Writes(weather, tables=[observation])
writes.add(Observe, rows.upsert(observation))
