"""The control connection: one thread with one connection.

It is for leases (`sharing`), the `care` of what grows, and the gate's figures (`history`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import Engine

from writegate.config import Settings
from writegate_writer.database.leases import SqlLeases
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.maintenance import Maintenance
from writegate_writer.database.recent_commands import Recent
from writegate_writer.database.samples import History
from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault
from writegate_writer.handlers.domains import domains_of
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.leases import Sharing
from writegate_writer.schedule.ports import Consuming
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.5
# A writer that has control but got no connection for a slot is of no use: it makes room for one that may.
_USELESS_SECONDS = 5.0


class Control(threading.Thread):
    """Claims this writer's share of the domains, keeps it, and gives it back."""

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a process, put together in one place
        self,
        settings: Settings,
        name: str,
        services: Mapping[str, Writes],
        scheduler: DomainScheduler,
        consuming: Consuming,
        engine: Engine,
        slots_connected: Callable[[], int],
        waits: LockConflicts,
        history: History,
        recent: Recent,
    ) -> None:
        super().__init__(name="writegate-control", daemon=True)
        self._me = name
        self._scheduler = scheduler
        domains = domains_of(services.values())
        together = {lane: domain.lanes for domain in domains for lane in domain.lanes}
        self._sharing = Sharing(settings, name, together, scheduler, consuming)
        self._engine = engine
        self._slots_connected = slots_connected
        self._waits = waits
        self._history = history
        self._recent = recent
        self._ending = threading.Event()
        self._failures = 0
        self._care = Maintenance()
        self._useless_since: float | None = None
        self._lease_seconds = settings.lease_seconds
        self._ticked_at = time.monotonic()
        self.connected = False
        self.standing_by = False  # no connection, because others use up the budget

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                session = Session(self._engine)
            except DatabaseFault as error:
                self._no_connection(error)
                continue
            try:
                self._serve(session)
            except DatabaseFault as error:
                log.warning("control.database_fault", error=f"{error.sqlstate or 'connection lost'}: {error}")
            except Exception:
                # Without this thread nothing is ever claimed again: a bug must not end it.
                log.exception("control.failed")
                self._ending.wait(_TICK_SECONDS)
            finally:
                self.connected = False
                session.close()

    def stop(self, timeout: float) -> None:
        """Give the domains back and end. Call it when the slots have ended."""
        self._ending.set()
        self.join(timeout)

    def look(self) -> None:
        """Let go of everything once the leases have run out. From any thread: this one may wait for a silent server."""
        if time.monotonic() - self._ticked_at > self._lease_seconds:
            self._sharing.let_go()

    def _no_connection(self, error: DatabaseFault) -> None:
        self._failures += 1
        self.standing_by = error.over_budget
        if self._failures == 1:
            log.info("control.standing_by" if self.standing_by else "control.no_connection", error=str(error))
        self.look()
        self._ending.wait(random.uniform(0.3, 1.0))  # noqa: S311  spreading, not security

    def _serve(self, session: Session) -> None:
        self._failures = 0
        self.standing_by = False
        self.connected = True
        self._useless_since = None
        log.info("control.connected", writer=self._me)
        while not self._ending.is_set():
            self._tick(session)
            if self._useless():
                log.info("control.makes_room")
                self._sharing.release_all(SqlLeases(session))
                self.connected = False
                self.standing_by = True
                session.close()
                self._ending.wait(random.uniform(1.0, 3.0))  # noqa: S311
                return
            self._ending.wait(_TICK_SECONDS)
        self._sharing.release_all(SqlLeases(session))

    def _useless(self) -> bool:
        if self._slots_connected():
            self._useless_since = None
            return False
        if self._useless_since is None:
            self._useless_since = time.monotonic()
        return time.monotonic() - self._useless_since > _USELESS_SECONDS

    def _tick(self, session: Session) -> None:
        self._sharing.tick(SqlLeases(session), may_claim=bool(self._slots_connected()))
        self._ticked_at = time.monotonic()
        self._waits.look(session)
        self._care.tick(session)
        self._history.tick(session)
        self._recent.tick(session)
