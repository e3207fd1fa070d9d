"""Housekeeping: what a writer does now and then for all, as a turn of its own on a slot's connection.

It makes and drops partitions of the ledger, takes samples for metrics, and keeps recent commands. Its statements may
take seconds, so it has no place on the control connection, where a lease is to be renewed in time (ADR 0025).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from writegate_writer.database.session import Session
from writegate_writer.errors import QUERY_CANCELED, DatabaseFault, Fault

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 10.0
"""How long one of its statements may take, and so at most keep a slot from commands."""

OVERDUE_SECONDS = 5.0
"""While commands wait it is put off for so long, and then done first: a busy writer needs its partitions too."""


class Chore(Protocol):
    """One kind of housekeeping."""

    @property
    def due_at(self) -> float:
        """When it is to be done next, of :func:`time.monotonic`."""

    def tick(self, session: Session) -> None:
        """Do what is due. Raises :class:`DatabaseFault` only when the connection or the database is gone."""


class Housekeeping:
    """All chores of a process. Slot threads ask and run; never two at once."""

    def __init__(self, chores: Sequence[Chore], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._chores = chores
        self._monotonic = monotonic
        self._made_at = monotonic()
        self._running = threading.Lock()

    @property
    def due(self) -> bool:
        """Whether an idle slot should do some."""
        return self._late_seconds() >= 0

    @property
    def overdue(self) -> bool:
        """Whether a slot should do some before it takes commands."""
        return self._late_seconds() > OVERDUE_SECONDS

    def run(self, session: Session) -> None:
        """Do what is due, unless another slot is doing it. Raises :class:`DatabaseFault` when the database is gone."""
        if not self._running.acquire(blocking=False):
            return
        try:
            session.run(f"SET statement_timeout = {int(STATEMENT_SECONDS * 1000)}")
            for chore in self._chores:
                if chore.due_at <= self._monotonic():
                    self._do(chore, session)
            session.run("RESET statement_timeout")  # to what the connection was opened with
        finally:
            self._running.release()

    def _late_seconds(self) -> float:
        if self._running.locked():
            return -1.0
        return self._monotonic() - max(self._made_at, min(chore.due_at for chore in self._chores))

    def _do(self, chore: Chore, session: Session) -> None:
        name = type(chore).__name__
        try:
            chore.tick(session)
        except DatabaseFault as error:
            # A canceled statement leaves the connection usable, and the chore has its next time already.
            if error.fault is Fault.OUTAGE and error.sqlstate != QUERY_CANCELED:
                raise
            log.warning("housekeeping.put_off", chore=name, error=f"{error.sqlstate}: {error}")
        except Exception:
            # A bug here must not end the slot, and with it the process.
            log.exception("housekeeping.failed", chore=name)
