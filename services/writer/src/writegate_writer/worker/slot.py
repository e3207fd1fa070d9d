"""A slot: one thread with one database connection, which takes turns at domains."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine

from writegate_writer.apply.turn import Turns
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import Session
from writegate_writer.database.store import RunningHandler, SqlStore
from writegate_writer.errors import DatabaseFault
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.ports import Clock, backoff
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.worker.housekeeping import Housekeeping

log = structlog.get_logger(__name__)

# An idle slot wakes up so often: to see whether the process stops, and whether housekeeping is due.
_IDLE_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 2.0
_NOT_ALLOWED_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn that a slot takes, for the watchdog. ``since``: of the clock's monotonic time."""

    domain: str
    since: float


class Slot(threading.Thread):
    """Serves one domain after another until the scheduler closes.

    ``may_connect``: whether this process has its control connection; without it a slot takes none either. The watchdog
    and the health pages read :attr:`turn`, :attr:`call` and :attr:`connected`; only the slot's thread changes them.
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
        conflicts: LockConflicts,
        housekeeping: Housekeeping,
    ) -> None:
        super().__init__(name=f"writegate-slot-{number}", daemon=True)
        self._scheduler = scheduler
        self._turns = turns
        self._engine = engine
        self._services = services
        self._clock = clock
        self._may_connect = may_connect
        self._conflicts = conflicts
        self._housekeeping = housekeeping
        self._store: SqlStore | None = None
        self._failures = 0
        self.turn: Turn | None = None

    @property
    def connected(self) -> bool:
        """Whether it has its connection."""
        return self._store is not None

    @property
    def call(self) -> RunningHandler | None:
        """The handler that is running, if any."""
        store = self._store
        return store.running if store is not None else None

    def run(self) -> None:
        try:
            self._serve()
        except BaseException:
            # Without this thread the messages of its domain would stay unacknowledged while others go on: better to
            # end the process, which returns them.
            log.critical("slot.failed", slot=self.name, exc_info=True)
            os._exit(os.EX_SOFTWARE)

    def _serve(self) -> None:
        while not self._scheduler.closed:
            store = self._store or self._connect()
            if store is None:
                continue
            if self._housekeeping.overdue:
                self._keep_house(store)
                continue
            domain = self._scheduler.take(_IDLE_SECONDS)
            if domain is None:
                self._idle(store)
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

    def _idle(self, store: SqlStore) -> None:
        if not self._may_connect() or not store.session.answers():
            self._disconnect()
        elif self._housekeeping.due and not self._scheduler.closed:
            self._keep_house(store)

    def _keep_house(self, store: SqlStore) -> None:
        try:
            self._housekeeping.run(store.session)
        except DatabaseFault as error:
            log.warning("housekeeping.database_fault", error=f"{error.sqlstate or 'connection lost'}: {error}")
            self._disconnect()

    def _connect(self) -> SqlStore | None:
        if not self._may_connect():
            self._clock.pause(_NOT_ALLOWED_SECONDS)
            return None
        try:
            self._store = SqlStore(Session(self._engine), self._services, self._clock, self._conflicts)
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


class Slots:
    """All slots of a process."""

    def __init__(self, scheduler: DomainScheduler, slots: Sequence[Slot]) -> None:
        self._scheduler = scheduler
        self._slots = slots

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    @property
    def connected(self) -> int:
        """How many have their connection."""
        return sum(slot.connected for slot in self._slots)

    def start(self) -> None:
        """Start all."""
        for slot in self._slots:
            slot.start()

    def stop(self, deadline: float) -> None:
        """Have each finish its turn and take no further one."""
        self._scheduler.close()
        for slot in self._slots:
            slot.join(max(0.0, deadline - time.monotonic()))
