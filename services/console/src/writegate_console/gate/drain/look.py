"""How much is left of what a drain waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from writegate.config import Settings
from writegate_console.gate.database import Database
from writegate_console.gate.drain import queries
from writegate_console.gate.drain.progress import COUNTED_SECONDS, Queues, covering, lanes_of
from writegate_console.gate.targets import find

OBEYED_SECONDS = 2.0  # so soon every writer obeys a hold

Left = dict[str, int]


def drain_look(database: Database, settings: Settings, text: str) -> Callable[[], Left]:
    """Return what tells how much is left, by what it waits for."""
    target = find(database, [text])
    begin, began = queries.now(database), time.monotonic()
    of = lanes_of(target, queries.lanes(database), queries.tables(database))
    queues = Queues()

    def in_work() -> Left:
        if time.monotonic() - began < OBEYED_SECONDS:
            return {"a writer may not know of the hold yet": 1}
        count = queries.in_work(database, begin + timedelta(seconds=OBEYED_SECONDS))
        return {"a batch is in work": count} if count else {}

    def waiting() -> Left:
        if time.monotonic() - began < COUNTED_SECONDS:
            return {"the broker is counting": 1}
        left = queues.left(queries.counted(settings, of))
        return {**left, **queries.deferred(database, target, of, begin)}

    def look() -> Left:
        return in_work() if covering(target, of, queries.holds(database)) else waiting()

    return look
