"""A ready-made handler for each command."""

from __future__ import annotations

from writegate_writer import Writes, rows

from .contract import Add, Change, Claim, Put, everything
from .tables import row

writes = Writes(everything, tables=[row])
writes.add(Add, rows.insert(row))
writes.add(Claim, rows.insert(row, decline_on="conflict"))
writes.add(Put, rows.upsert(row))
writes.add(Change, rows.update(row))
