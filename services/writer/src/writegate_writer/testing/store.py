"""The database of a rehearsal: handlers run on a test's own connection, what the writer notes down is memory."""

# ruff: noqa: ARG002  the signatures are those of a store
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection

from writegate.contract.command import Command
from writegate.contract.ids import ledger_id
from writegate.message.receipt import Cause, Outcome, Receipt
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import Session
from writegate_writer.database.store import SqlStore
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow, Key, Postponed, key_of
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.store import OUTCOMES, PARKED, Decision, Known, Opened, Outgoing, Owner, Started
from writegate_writer.errors import SERIALIZATION_FAILURE, DatabaseFault, HandlerFault
from writegate_writer.handlers.writes import Writes
from writegate_writer.receive.delivery import Refused
from writegate_writer.schedule.clock import SystemClock

_BEGIN = "SAVEPOINT writegate_batch; SELECT pg_current_xact_id()::text::bigint, clock_timestamp()"
_SAME = "SELECT pg_current_xact_id()::text::bigint"
_COMMIT = "RELEASE SAVEPOINT writegate_batch; SELECT pg_current_wal_insert_lsn()::text, clock_timestamp()"
_ROLL_BACK = "ROLLBACK TO SAVEPOINT writegate_batch; RELEASE SAVEPOINT writegate_batch"


class BorrowedSession(Session):
    """A session over a test's connection, inside the test's own transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._driver = connection.connection.dbapi_connection


class Memory:
    """What the writer's tables would hold, kept from one drain of a broker to the next."""

    def __init__(self) -> None:
        self.decided: dict[tuple[str, str], tuple[Known, Receipt]] = {}  # by service and ledger id
        self.deferred: dict[int, tuple[DeferredRow, str, str]] = {}  # with ledger id and reason, by number
        self.parked_keys: set[Key] = set()
        self.numbers = 0

    def take_over(self, other: Memory) -> None:
        """Hold what the other one holds."""
        self.decided, self.deferred = dict(other.decided), dict(other.deferred)
        self.parked_keys = set(other.parked_keys)
        self.numbers = other.numbers

    def next_number(self) -> int:
        """Return the number of a new row."""
        self.numbers += 1
        return self.numbers


class MemoryStore:
    """A :class:`~writegate_writer.decide.store.Store` whose transactions are savepoints of the test's transaction."""

    def __init__(self, connection: Connection, services: Mapping[str, Writes], memory: Memory) -> None:
        self._session = BorrowedSession(connection)
        self._handlers = SqlStore(self._session, services, SystemClock(), LockConflicts(()))
        self._memory = memory
        self._changed: Memory | None = None  # what the memory will be if the open transaction commits

    @property
    def _now(self) -> Memory:
        return self._memory if self._changed is None else self._changed

    def start(self, owner: Owner) -> Started:
        return Started([], self._index())

    def _index(self) -> DeferredIndex:
        keys = Counter(
            None if row.item.key is None else (row.service, row.item.key)
            for row, _, _ in self._memory.deferred.values()
        )
        return DeferredIndex(keys, set(self._memory.parked_keys))

    def deferred_index(self, owner: Owner) -> DeferredIndex:
        return self._index()

    def check_owned(self, owner: Owner) -> None:
        """Do nothing: a drain has no other owners."""

    def open(self, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
        [(xid, at)] = self._session.run(_BEGIN)
        self._changed = Memory()
        self._changed.take_over(self._memory)
        known = {id_: self._now.decided[service, id_][0] for id_ in ids if (service, id_) in self._now.decided}
        deferred = {
            id_: row.hash for row, id_, _ in self._now.deferred.values() if row.service == service and id_ in ids
        }
        return Opened(0, xid, at, known, deferred, holds_of(()))

    def enter(self, owner: Owner, opened: Opened, service: str, commands: int) -> None:
        """There is no row of a batch, and no role."""

    def call(self, service: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        return self._handlers.call(service, task, commands)

    def changed_rows(self) -> Mapping[str, int]:
        """Not used: a drain has no holds."""
        return {}

    def leave_role(
        self, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
    ) -> bool:
        for decision in decisions:
            self._decided(opened, service, decision)
        return self._session.run(_SAME) == [(opened.xid,)]

    def _decided(self, opened: Opened, service: str, decision: Decision) -> None:
        receipt = Receipt(
            decision.ledger_id,
            OUTCOMES[decision.outcome],
            opened.xid,
            None,
            opened.started_at,
            from_json(decision.result) if decision.result is not None else None,
            Cause("declined", decision.reason) if decision.reason is not None else None,
        )
        self._now.decided[service, decision.ledger_id] = Known(decision.outcome, decision.hash), receipt

    def check_constraints(self) -> None:
        self._handlers.check_constraints()

    def park(self, refused: Sequence[Refused], places: Mapping[str, int]) -> None:
        for command in refused:
            known = (command.delivery.service, command.ledger_id or "")
            if known in self._now.decided:
                before, receipt = self._now.decided[known]
                self._now.decided[known] = before, replace(receipt, cause=command.cause)
            key = key_of(command)
            if key is not None and command.parks_key:
                self._now.parked_keys.add(key)

    def defer(self, owner: Owner, deferrals: Sequence[Deferral]) -> None:
        for deferral in deferrals:
            if deferral.fails_alone:
                # Where a writer would wait for others of its type, or for a better deployment, a test is to fail.
                raise HandlerFault(
                    deferral.arrived.item.task, f"the writer would have this wait: {deferral.reason}", certain=True
                )
            arrived, number = deferral.arrived, self._now.next_number()
            delivery = arrived.delivery
            row = DeferredRow(
                number,
                delivery.service,
                delivery.lane,
                arrived.item,
                arrived.hash,
                delivery.verified.origin,
                delivery.verified.reply_to,
                limited=deferral.limit_seconds is not None,
                overdue=False,
                newer=arrived.newer,
            )
            self._now.deferred[number] = row, arrived.ledger_id, deferral.reason

    def settle_deferred(self, outcomes: Mapping[int, Outcome]) -> None:
        if not self._now.deferred.keys() >= outcomes.keys():
            raise DatabaseFault(SERIALIZATION_FAILURE, "a deferred command was decided meanwhile")
        for number in outcomes:
            del self._now.deferred[number]

    def settle_parked(
        self, opened: Opened, service: str, decided: Mapping[int, Decision], again: Mapping[int, Refused]
    ) -> None:
        """Change the decisions of commands that were parked; those of ``again`` get their new cause."""
        for decision in decided.values():
            if self._now.decided[service, decision.ledger_id][0].outcome == PARKED:
                self._decided(opened, service, decision)
        self.park(list(again.values()), {})

    def end_removals(self, service: str, ids: Sequence[str]) -> None:
        """Do nothing: in a test nobody takes commands out of the way."""

    def fill_outbox(self, owner: Owner, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        return [replace(command, seq=self._now.next_number()) for command in outgoing]

    def commit(self) -> tuple[str, datetime]:
        [(lsn, at)] = self._session.run(_COMMIT)
        self._memory.take_over(self._now)
        self._changed = None
        return lsn, at

    def roll_back(self) -> None:
        if self._changed is not None:
            self._changed = None
            self._session.run(_ROLL_BACK)

    def delete_sent(self, owner: Owner, sent: int) -> None:
        """There is no table to delete from."""

    def note_stopped(self, owner: Owner, cause: str | None) -> None:
        """Do nothing: in a test nobody looks at it."""

    def conflict(self, owner: Owner, error: DatabaseFault, attempt: int) -> None:
        """Do nothing: the test's own transaction has failed, and the error that follows reports it."""

    def look_up(self, service: str, ids: Sequence[str]) -> Mapping[str, Receipt]:
        decided = {id_: self._memory.decided.get((service, ledger_id(id_))) for id_ in ids}
        receipts = {id_: replace(found[1], id=id_) for id_, found in decided.items() if found is not None}
        reasons = {id_: reason for row, id_, reason in self._memory.deferred.values() if row.service == service}
        for id_ in ids:
            if (reason := reasons.get(ledger_id(id_))) is not None:
                receipts[id_] = Receipt(id_, "deferred", cause=Cause("deferred", reason))
        return receipts

    def deferred(self, owner: Owner, after: int, limit: int) -> list[DeferredRow]:
        return [row for number, (row, _, _) in sorted(self._memory.deferred.items()) if number > after][:limit]

    def postpone(self, rows: Mapping[int, Postponed]) -> None:
        """A drain never waits."""

    def hold_task(self, task: str, reason: str) -> float:
        """Raise :class:`HandlerFault`: where a writer would wait for a better deployment, a test is to fail."""
        raise HandlerFault(task, f"the writer would hold this command type: {reason.removeprefix(f'{task}: ')}")

    def release_task(self, task: str) -> None:
        """None is ever held."""

    def suspect(self, owner: Owner, service: str, ledger_id: str) -> int:
        """Nothing dies here: this is the first to try, every time."""
        return 1

    def clear_suspect(self, service: str, ledger_id: str) -> None:
        """None is ever noted down."""
