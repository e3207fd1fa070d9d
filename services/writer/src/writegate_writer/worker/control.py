"""The control thread and its connection: leases, and who keeps the slots waiting.

Nothing else runs on this connection. A lease that is not renewed in time is lost, so every statement here is short;
housekeeping runs on slots' connections (ADR 0025).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from sqlalchemy import Engine

from writegate.config import Settings
from writegate_writer.database.leases import SqlLeases
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import Session
from writegate_writer.errors import QUERY_CANCELED, DatabaseFault
from writegate_writer.handlers.domains import domains_of
from writegate_writer.handlers.writes import Writes
from writegate_writer.schedule.ports import Clock, Consuming, backoff
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.sharing import Sharing

log = structlog.get_logger(__name__)

STATEMENT_LEASES: Final = 0.3
"""A statement is canceled after this part of a lease: three may fail before a lease runs out."""

# The longest wait for a connection after failures. A standby asks so often for a place in the budget.
_LONGEST_BACKOFF_SECONDS = 1.0
# A writer that has a control connection but got none for a slot cannot serve: it gives up its place in the budget for
# some time, in which another writer may take it.
_USELESS_SECONDS = 5.0
_LONGEST_RETREAT_SECONDS = 3.0
_MANY_FAILURES = 10  # as many as make the longest wait
# Twice a second: a lock conflict is looked at while it lasts, and PostgreSQL ends a deadlock after one second.
_TICK_SECONDS = 0.5
# After a look that took too long: the server is busy enough.
_LOOK_AGAIN_SECONDS = 10.0


class Control(threading.Thread):
    """Claims this writer's share of the domains, renews their leases, and gives them back.

    ``slots_connected``: how many slots have a connection. Other threads read :attr:`connected` and :attr:`standing_by`
    and call :meth:`let_go_if_expired`; only this thread changes the rest.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the parts of a process, put together in one place
        self,
        settings: Settings,
        name: str,
        services: Mapping[str, Writes],
        scheduler: DomainScheduler,
        consuming: Consuming,
        engine: Engine,
        slots_connected: Callable[[], int],
        conflicts: LockConflicts,
        clock: Clock,
        parked_full: Callable[[str], bool],
    ) -> None:
        super().__init__(name="writegate-control", daemon=True)
        self._me = name
        self._scheduler = scheduler
        domains = domains_of(services.values())
        together = {lane: domain.lanes for domain in domains for lane in domain.lanes}
        self._sharing = Sharing(settings, name, together, scheduler, consuming, parked_full)
        self._engine = engine
        self._slots_connected = slots_connected
        self._conflicts = conflicts
        self._look_due = 0.0
        self._clock = clock
        self._stopping = threading.Event()
        self._failures = 0
        self._useless_since: float | None = None
        self._lease_seconds = settings.lease_seconds
        self._renewed_at = time.monotonic()
        self.connected = False
        self.standing_by = False  # without a connection, because others use up the budget

    def run(self) -> None:
        while not self._stopping.is_set():
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
                self._stopping.wait(_TICK_SECONDS)
            finally:
                self.connected = False
                session.close()

    def stop(self, deadline: float) -> None:
        """Give the domains back and end. Called when the slots have ended, so that no batch of theirs is in flight."""
        self._stopping.set()
        self.join(max(0.0, deadline - time.monotonic()))

    def let_go_if_expired(self) -> None:
        """Let go of all domains once their leases have run out.

        Called on the watchdog's thread as well: this one may be waiting for a silent server.
        """
        if time.monotonic() - self._renewed_at > self._lease_seconds:
            self._sharing.let_go()

    def _no_connection(self, error: DatabaseFault) -> None:
        self._failures += 1
        self.standing_by = error.over_budget
        if self._failures == 1:
            log.info("control.standing_by" if self.standing_by else "control.no_connection", error=str(error))
        self.let_go_if_expired()
        self._stopping.wait(backoff(self._clock, self._failures, longest=_LONGEST_BACKOFF_SECONDS))

    def _serve(self, session: Session) -> None:
        self._failures = 0
        self.standing_by = False
        self.connected = True
        self._useless_since = None
        log.info("control.connected", writer=self._me)
        while not self._stopping.is_set():
            self._tick(session)
            if self._useless():
                log.info("control.makes_room")
                self._sharing.release_all(SqlLeases(session))
                self.connected = False
                self.standing_by = True
                session.close()
                self._stopping.wait(backoff(self._clock, _MANY_FAILURES, longest=_LONGEST_RETREAT_SECONDS))
                return
            self._stopping.wait(_TICK_SECONDS)
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
        self._renewed_at = time.monotonic()
        if self._renewed_at >= self._look_due:
            self._look_for_conflicts(session)

    def _look_for_conflicts(self, session: Session) -> None:
        try:
            self._conflicts.observe_waits(session)
        except DatabaseFault as error:
            if error.sqlstate != QUERY_CANCELED:
                raise
            # Leases come first: to give the connection up for this would delay the next renewal.
            log.warning("control.conflicts_not_read", error=str(error), again_in_seconds=_LOOK_AGAIN_SECONDS)
            self._look_due = time.monotonic() + _LOOK_AGAIN_SECONDS
