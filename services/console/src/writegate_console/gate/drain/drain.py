"""A drain: what remains of the commands that a target had when the drain began."""

from __future__ import annotations

import time
from datetime import timedelta

from writegate.config import Settings
from writegate_console.gate.broker import TIMEOUT_SECONDS
from writegate_console.gate.database import Database
from writegate_console.gate.declared import domain_tables
from writegate_console.gate.drain import queries
from writegate_console.gate.drain.progress import COUNTED_SECONDS, QueueProgress, covering_hold, lanes_of
from writegate_console.gate.holds import holds_in_force
from writegate_console.gate.targets import find_target

HOLD_OBEYED_SECONDS = 2.0  # within this time every writer obeys a hold

Remaining = dict[str, int]
"""How many messages, commands or batches remain, by what they wait for; empty when the target is drained."""


class Drain:
    """One drain, which begins when this is made. Used by one thread at a time.

    ``timeout_seconds``: how long the broker may take to answer. Raises
    :class:`~writegate.contract.targets.TargetError` when there is no such target.
    """

    def __init__(
        self, database: Database, settings: Settings, text: str, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._database = database
        self._settings = settings
        self._target = find_target(database, [text])
        self._began, self._began_monotonic = queries.database_time(database), time.monotonic()
        self._lanes = lanes_of(self._target, queries.lane_domains(database), domain_tables(database))
        self._queues = QueueProgress()

    def remaining(self) -> Remaining:
        """Return what remains now. Raises :class:`WritegateError` when database or broker do not answer."""
        holds = [row["target"] for row in holds_in_force(self._database)]
        if covering_hold(self._target, self._lanes, holds):
            return self._being_applied()
        return self._waiting()

    def _being_applied(self) -> Remaining:
        # A hold stops the target: its commands wait on purpose, only batches that are being applied can still end.
        if time.monotonic() - self._began_monotonic < HOLD_OBEYED_SECONDS:
            return {"a writer may not know of the hold yet": 1}
        before = self._began + timedelta(seconds=HOLD_OBEYED_SECONDS)
        count = queries.open_transactions(self._database, before)
        return {"a batch is being applied": count} if count else {}

    def _waiting(self) -> Remaining:
        if time.monotonic() - self._began_monotonic < COUNTED_SECONDS:
            return {"the broker is counting": 1}
        in_queues = self._queues.remaining(queries.queue_counts(self._settings, self._lanes, self._timeout_seconds))
        deferred = queries.deferred_by_reason(self._database, self._target, self._lanes, self._began)
        return {**in_queues, **deferred}
