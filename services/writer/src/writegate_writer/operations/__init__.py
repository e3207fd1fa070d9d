"""Handlers of the built-in service `writegate`: holds, and what people do with parked and deferred commands.

They run like the handlers of any other service, under a role of their own. Each writes what it did into the audit, in
the same transaction.
"""

from __future__ import annotations

from writegate.contract.operations import operations
from writegate_writer.handlers.writes import Writes
from writegate_writer.operations import (
    decide_deferred,
    dry_run,
    edit_parked,
    hold_and_release,
    replay_and_drop,
    take_out,
)
from writegate_writer.operations.tables import TABLES

writes = Writes(operations, tables=TABLES)
for _handlers in (hold_and_release, replay_and_drop, edit_parked, decide_deferred, take_out, dry_run):
    _handlers.register(writes)
