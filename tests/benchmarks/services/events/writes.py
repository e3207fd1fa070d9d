"""The ready-made insert."""

from __future__ import annotations

from writegate_writer import Writes, rows

from .contract import Record, events
from .tables import event

writes = Writes(events, tables=[event])
writes.add(Record, rows.insert(event))
