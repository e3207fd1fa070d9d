"""The database behind a turn: PostgreSQL, over one session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import structlog
from sqlalchemy import event

from writegate.contract.command import Command
from writegate.message.receipt import Outcome, Receipt
from writegate_writer.database import (
    deferred,
    fence,
    outbox,
    parked,
    receipts,
    removals,
    suspects,
    transaction,
    type_holds,
)
from writegate_writer.database.lock_conflicts import LockConflicts, conflict_labels, record_conflict
from writegate_writer.database.session import Session, translated
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow, Postponed
from writegate_writer.decide.store import Decision, Opened, Outgoing, Owner, Started
from writegate_writer.errors import (
    IN_FAILED_TRANSACTION,
    QUERY_CANCELED,
    DatabaseFault,
    Decline,
    Fault,
    HandlerFault,
    Reject,
)
from writegate_writer.handlers.writes import Writes
from writegate_writer.receive.delivery import Refused
from writegate_writer.schedule.ports import Clock

log = structlog.get_logger(__name__)

# A statement that ran for so long before it was cancelled took too long; else it was cancelled by somebody.
_SLOW_SECONDS = 0.9


@dataclass(slots=True)
class RunningHandler:
    """A handler that runs. ``seen_at``: when it began, or one of its statements last began or ended."""

    task: str
    commands: int
    first_id: str
    seen_at: float  # of the clock's monotonic time


# Statistics not yet passed on, which may be those of earlier transactions too: a difference says what was done.
_CHANGED_ROWS = """
SELECT schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""


class SqlStore:
    """A :class:`~writegate_writer.decide.store.Store` over a :class:`Session`."""

    def __init__(
        self, session: Session, services: Mapping[str, Writes], clock: Clock, lock_conflicts: LockConflicts
    ) -> None:
        self.session = session
        self.running: RunningHandler | None = None
        self._entered: str | None = None  # the service whose role the handlers of this transaction have
        self._services = services
        self._clock = clock
        self._lock_conflicts = lock_conflicts
        for moment in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(session.connection, moment, self._seen)

    def start(self, owner: Owner) -> Started:
        return transaction.start(self.session, owner)

    def deferred_index(self, owner: Owner) -> DeferredIndex:
        return deferred.read_index(self.session, owner)

    def check_owned(self, owner: Owner) -> None:
        fence.check_owned(self.session, owner)

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        self._entered = None
        return transaction.open_transaction(self.session, owner, service, ids, since)

    def enter(self, owner: Owner, opened: Opened, service: str, commands: int) -> None:
        self._entered = service
        transaction.enter(self.session, owner, opened, service, commands)

    def call(self, service: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        handler = self._services[service].handlers[task]
        self.running = RunningHandler(task, len(commands), commands[0].command_id, self._clock.monotonic())
        self.session.take_failure()  # of an earlier transaction
        try:
            with translated():
                returned = handler(self.session.connection, commands)
        except DatabaseFault as error:
            raise self._judged(error, task, self.running) from error
        except Reject:
            raise
        except Decline as error:
            try:
                raise Decline(error.of([command.command_id for command in commands])) from error
            except ValueError as unnamed:
                raise HandlerFault(task, f"the handler declined {unnamed}") from error
        except BaseException as error:  # such as SystemExit: it must not end the thread that serves the domain
            raise HandlerFault(task, f"the handler failed: {type(error).__name__}: {error}") from error
        finally:
            self.running = None
        if self.session.in_failed_transaction:
            raise self._gone_on(DatabaseFault(IN_FAILED_TRANSACTION, "a statement failed"), task)
        if not self.session.in_transaction:
            raise HandlerFault(task, "the handler ended the writer's transaction")
        return returned

    def _judged(self, error: DatabaseFault, task: str, running: RunningHandler) -> DatabaseFault | HandlerFault:
        """Return the error of a handler's statement, with what this connection knows about it."""
        if not self.session.connected:
            return error.with_(task=task)
        if error.sqlstate is None:  # of the driver itself
            return HandlerFault(task, f"the handler failed: {error}")
        if error.sqlstate == IN_FAILED_TRANSACTION:
            return self._gone_on(error, task)
        if error.sqlstate == QUERY_CANCELED and self._clock.monotonic() - running.seen_at > _SLOW_SECONDS:
            return error.with_(task=task)  # trying it in parts would stop the domain for as long each time
        # The writer's own SQLSTATE means nothing when a handler raises it.
        fault = Fault.UNKNOWN if error.fault is Fault.FENCED else error.fault
        return error.with_(task=task, fault=fault, from_handlers=True)

    def _gone_on(self, error: DatabaseFault, task: str) -> DatabaseFault:
        """Return the error after which a handler went on in a transaction that had failed."""
        first = self.session.take_failure()
        if first is None:
            return error.with_(task=task, fault=Fault.DEPLOYMENT, from_handlers=True)
        text = f"{first}; the handler went on after this error, in a transaction that had failed"
        return DatabaseFault(first.sqlstate, text, task=task, statement=first.statement, from_handlers=True)

    def changed_rows(self) -> Mapping[str, int]:
        return dict(self.session.own(_CHANGED_ROWS))

    def _seen(self, *_: object) -> None:
        if self.running is not None:
            self.running.seen_at = self._clock.monotonic()

    def leave_role(
        self, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
    ) -> bool:
        return transaction.leave_role(self.session, owner, opened, service, decisions, sent)

    def check_constraints(self) -> None:
        with self._by_handlers():
            transaction.check_constraints(self.session, self._entered)

    def park(self, refused: Sequence[Refused], places: Mapping[str, int]) -> None:
        parked.park(self.session, refused, places)

    def defer(self, owner: Owner, deferrals: Sequence[Deferral]) -> None:
        deferred.defer(self.session, owner, deferrals)

    def settle_deferred(self, outcomes: Mapping[int, Outcome]) -> None:
        deferred.settle(self.session, outcomes)

    def settle_parked(
        self, opened: Opened, service: str, decided: Mapping[int, Decision], again: Mapping[int, Refused]
    ) -> None:
        parked.settle_parked(self.session, opened, service, decided, again)

    def end_removals(self, service: str, ids: Sequence[str]) -> None:
        removals.end_removals(self.session, service, ids)

    def fill_outbox(self, owner: Owner, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        return outbox.fill_outbox(self.session, owner.domain, outgoing)

    def commit(self) -> tuple[str, datetime]:
        with self._by_handlers():
            return transaction.commit(self.session, self._entered)

    @contextmanager
    def _by_handlers(self) -> Iterator[None]:
        """What fails in here on a sound connection was left to be checked by a handler."""
        try:
            yield
        except DatabaseFault as error:
            if not self.session.connected:
                raise
            fault = Fault.UNKNOWN if error.fault is Fault.FENCED else error.fault
            raise error.with_(fault=fault, from_handlers=True) from error

    def roll_back(self) -> None:
        self.session.roll_back()

    def note_stopped(self, owner: Owner, cause: str | None) -> None:
        fence.note_stopped(self.session, owner, cause)

    def conflict(self, owner: Owner, error: DatabaseFault, attempt: int) -> None:
        labels = conflict_labels(owner.domain, error, self._lock_conflicts.conflict(self.session, error))
        log.warning("batch.conflict", attempt=attempt, **labels)
        record_conflict(self.session, labels)

    def delete_sent(self, owner: Owner, sent: int) -> None:
        outbox.delete_sent(self.session, owner, sent)

    def look_up(self, service: str, ids: Sequence[str]) -> Mapping[str, Receipt]:
        return receipts.look_up(self.session, service, ids)

    def deferred(self, owner: Owner, after: int, limit: int) -> list[DeferredRow]:
        return deferred.read_deferred(self.session, owner, after, limit)

    def postpone(self, rows: Mapping[int, Postponed]) -> None:
        deferred.postpone(self.session, rows)

    def hold_task(self, task: str, reason: str) -> float:
        return type_holds.hold_task(self.session, task, reason)

    def release_task(self, task: str) -> None:
        type_holds.release_task(self.session, task)

    def suspect(self, owner: Owner, service: str, ledger_id: str) -> int:
        return suspects.suspect(self.session, owner, service, ledger_id)

    def clear_suspect(self, service: str, ledger_id: str) -> None:
        suspects.clear_suspect(self.session, service, ledger_id)
