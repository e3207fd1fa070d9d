"""The ready-made insert."""

from __future__ import annotations

from writegate_writer import Writes
from writegate_writer.handlers import rows

from .contract import Record, events
from .tables import event

writes = Writes(events, tables=[event])
writes.add(Record, rows.insert(event))
