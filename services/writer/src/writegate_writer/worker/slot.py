"""A slot: one thread with one database connection, which takes turns at domains."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine

from writegate_writer.apply.turn import Turns
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import Session
from writegate_writer.database.store import Call, SqlStore
from writegate_writer.errors import DatabaseFault
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.ports import Clock, backoff
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

# An idle slot wakes up so often to see whether the process stops.
_IDLE_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 2.0
_NOT_ALLOWED_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Turn:
    """What a slot does, for the watchdog. ``since``: of the clock's monotonic time."""

    domain: str
    since: float


class Slot(threading.Thread):
    """Serves one domain after another until the gate closes.

    ``may_connect``: whether this process has its control connection; without it a slot takes none either.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a process, put together in one place
        self,
        number: int,
        scheduler: DomainScheduler,
        turns: Turns,
        engine: Engine,
        services: Mapping[str, Writes],
        clock: Clock,
        may_connect: Callable[[], bool],
        waits: LockConflicts,
    ) -> None:
        super().__init__(name=f"writegate-slot-{number}", daemon=True)
        self._scheduler = scheduler
        self._turns = turns
        self._engine = engine
        self._services = services
        self._clock = clock
        self._may_connect = may_connect
        self._waits = waits
        self._store: SqlStore | None = None
        self._failures = 0
        self.turn: Turn | None = None

    @property
    def connected(self) -> bool:
        """Whether it has its connection."""
        return self._store is not None

    @property
    def call(self) -> Call | None:
        """The handler that runs, if one does."""
        store = self._store
        return store.running if store is not None else None

    def run(self) -> None:
        try:
            self._serve()
        except BaseException:
            # Without this thread its domain's messages stay unacknowledged while others go on: better another process.
            log.critical("slot.failed", slot=self.name, exc_info=True)
            os._exit(os.EX_SOFTWARE)

    def _serve(self) -> None:
        while not self._scheduler.closed:
            store = self._store or self._connect()
            if store is None:
                continue
            domain = self._scheduler.take(_IDLE_SECONDS)
            if domain is None:
                if not self._may_connect() or not store.session.answers():
                    self._disconnect()
                continue
            self.turn = Turn(domain.name, self._clock.monotonic())
            try:
                usable = self._turns.take(domain, store)
            finally:
                self.turn = None
                self._scheduler.give_back(domain)
            if not usable:
                self._disconnect()
        self._disconnect()

    def _connect(self) -> SqlStore | None:
        if not self._may_connect():
            self._clock.pause(_NOT_ALLOWED_SECONDS)
            return None
        try:
            self._store = SqlStore(Session(self._engine), self._services, self._clock, self._waits)
        except DatabaseFault as error:
            self._failures += 1
            if self._failures == 1 and not error.over_budget:
                log.warning("slot.no_connection", slot=self.name, error=str(error))
            self._clock.pause(backoff(self._clock, self._failures, longest=_LONGEST_BACKOFF_SECONDS))
            return None
        self._failures = 0
        return self._store

    def _disconnect(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.session.close()
