"""PostgreSQL, as far as its behaviour matters to the gate: transactions, row locks, sessions, and how they end.

Reads see what is committed and the session's own writes. A write locks its row (an insert: its unique key) until the
transaction ends. Everything else that the SQL of the writer means is in `store`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from tests.simulation.history import History
from tests.simulation.schedule import Group, Schedule
from writegate_writer.errors import QUERY_CANCELED, UNIQUE_VIOLATION, DatabaseFault

_NAME = "postgres"
_LOOKS_SECONDS = 0.5
_STATEMENT_SECONDS = 60.0

Row = Any
Lock = tuple[str, Any]


class Watcher(Protocol):
    """Who decides what goes wrong with a request, and who checks what is committed."""

    def fault_at(self, session: Session, what: str) -> str | None:
        """Return ``"before"`` or ``"after"`` (the connection breaks), ``"late"`` (and a COMMIT is carried out
        afterwards), an SQLSTATE, or None."""

    def delay(self, session: Session) -> None:
        """Make a request wait for the server, or not."""

    def committed(self, session: Session, changes: dict[Lock, Row]) -> None:
        """A transaction is committed."""


class Database:
    """Committed rows, row locks and sessions."""

    def __init__(self, schedule: Schedule, random: Random, history: History, watcher: Watcher, budget: int) -> None:
        self.schedule = schedule
        self.history = history
        self.watcher = watcher
        self.random = random
        self.up = True
        self.budget = budget
        self.idle_seconds = 6.0  # idle_in_transaction_session_timeout
        self.tables: dict[str, dict[Any, Row]] = {}
        self.locks: dict[Lock, Session] = {}
        self.waiting: dict[Lock, list[Session]] = {}
        self.sessions: list[Session] = []
        self.numbers = itertools.count(1)  # every sequence
        schedule.spawn(_NAME, Group(_NAME), self._end_idle)

    def connect(self, name: str, group: Group) -> Session:
        """Open a session."""
        self.schedule.point()
        if not self.up:
            raise DatabaseFault(None, "connection refused")
        if len(self.sessions) >= self.budget:
            raise DatabaseFault("53300", "too many connections for role")
        session = Session(self, name, group)
        self.sessions.append(session)
        return session

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do something after a while."""

        def wait() -> None:
            self.schedule.pause(seconds)
            work()

        self.schedule.spawn(f"{_NAME} timer", Group(_NAME), wait)

    def gone(self, group: Group) -> None:
        """A process is gone: the server ends its sessions when it notices."""
        for session in self.sessions:
            if session.group is group:
                session.up = False
                self.later(self.random.random() * 2.0, session.terminate)

    def restart(self, seconds: float) -> None:
        """End every session and be away for a while."""
        self.up = False
        for session in list(self.sessions):
            session.terminate()
        self.schedule.pause(seconds)
        self.up = True

    def _end_idle(self) -> None:
        while True:
            self.schedule.pause(_LOOKS_SECONDS)
            for session in list(self.sessions):
                if session.up and session.idle_too_long(self.schedule.now - self.idle_seconds):
                    self.history.add(self.schedule.now, _NAME, "{} idle in transaction: terminated", session.name)
                    session.terminate()


class Session:
    """One connection and its transaction."""

    def __init__(self, database: Database, name: str, group: Group) -> None:
        self.database = database
        self.name = name
        self.group = group
        self.up = True  # as the client sees it
        self.known = True  # to the server
        self.changes: dict[Lock, Row] | None = None  # of the open transaction; None: there is none
        self.failed = False
        self.past_fence: str | None = None  # the domain of the open transaction
        self._locked: list[Lock] = []
        self._waits = False  # for a lock
        self._executes = False
        self._idle_since = 0.0

    def request(self, what: str, work: Callable[[], Any]) -> Any:
        """Have the server do ``work``; others may run before it starts and before its answer is here."""
        schedule = self.database.schedule
        schedule.point()
        self._check()
        fault = self.database.watcher.fault_at(self, what)
        if fault is not None:
            self._break(what, fault, work)
        if self.failed:
            raise DatabaseFault("25P02", "current transaction is aborted")
        self._executes = True
        self.database.watcher.delay(self)
        self._executes = False
        self._check()
        result = self._on_server(work)
        schedule.point()
        if fault == "after":
            self._lose(what, "answer")
        self._check()
        return result

    def alone(self, what: str, work: Callable[[], Any]) -> Any:
        """:meth:`request` for a statement that is a transaction of its own."""

        def transaction() -> Any:
            self.begin()
            try:
                result = work()
            except DatabaseFault:
                self.end(commit=False)
                raise
            self.end(commit=True)
            return result

        return self.request(what, transaction)

    def used_within(self, seconds: float) -> bool:
        """Whether its client has asked for anything lately."""
        return self._executes or self._waits or self.database.schedule.now - self._idle_since < seconds

    def _check(self) -> None:
        if not self.up:
            raise DatabaseFault(None, "connection lost")

    def _on_server(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except DatabaseFault:
            self.failed = self.changes is not None
            raise
        finally:
            self._idle_since = self.database.schedule.now

    def _break(self, what: str, fault: str, work: Callable[[], Any]) -> None:
        if fault == "before":
            self._lose(what, "request")
        if fault == "late":
            self.up = False
            self._note("connection lost at {}; the server carries it out later", what)
            self.database.later(self.database.random.random() * 3.0, lambda: self._carry_out(work))
            raise DatabaseFault(None, "connection lost")
        if fault != "after":
            self.failed = self.changes is not None
            self._note("{} fails with {}", what, fault)
            raise DatabaseFault(fault, "simulated")

    def _lose(self, what: str, part: str) -> None:
        self._note("connection lost: no {} of {}", part, what)
        self.terminate()
        raise DatabaseFault(None, "connection lost")

    def _carry_out(self, work: Callable[[], Any]) -> None:
        if self.known:
            work()
            self.terminate()

    def _note(self, text: str, *parts: Any) -> None:
        self.database.history.add(self.database.schedule.now, self.name, text, *parts)

    # What work on the server is made of.

    def begin(self) -> None:
        """Begin a transaction."""
        assert self.changes is None
        self.changes, self.failed = {}, False

    def end(self, *, commit: bool) -> None:
        """End the transaction."""
        changes, self.changes = self.changes, None
        self.failed, self.past_fence = False, None
        if commit and changes:
            for (table, key), row in changes.items():
                rows = self.database.tables.setdefault(table, {})
                if row is None:
                    rows.pop(key, None)
                else:
                    rows[key] = row
            self.database.watcher.committed(self, changes)
        locked, self._locked = self._locked, []
        for lock in locked:
            self._unlock(lock)

    def get(self, table: str, key: Any) -> Row:
        """Return a row, or None."""
        if self.changes is not None and (table, key) in self.changes:
            return self.changes[table, key]
        return self.database.tables.get(table, {}).get(key)

    def rows(self, table: str) -> list[tuple[Any, Row]]:
        """Return the rows of a table by key, in order of the keys."""
        merged = dict(self.database.tables.get(table, {}))
        for (name, key), row in (self.changes or {}).items():
            if name == table:
                merged[key] = row
        return sorted((key, row) for key, row in merged.items() if row is not None)

    def put(self, table: str, key: Any, row: Row) -> None:
        """Write or (None) delete a row."""
        self.lock(table, key)
        assert self.changes is not None
        self.changes[table, key] = row

    def insert(self, table: str, key: Any, row: Row) -> None:
        """Write a row that must be new."""
        self.lock(table, key)
        if self.get(table, key) is not None:
            raise DatabaseFault(UNIQUE_VIOLATION, f"duplicate key {key} in {table}")
        self.put(table, key, row)

    def lock(self, table: str, key: Any, *, skip_locked: bool = False) -> bool:
        """Lock a row, waiting for it; or return whether it could be had at once."""
        lock = (table, key)
        holder = self.database.locks.get(lock)
        if holder is self:
            return True
        if holder is None:
            self._take(lock)
            return True
        if skip_locked:
            return False
        self._wait(lock)
        return True

    def _wait(self, lock: Lock) -> None:
        self.database.waiting.setdefault(lock, []).append(self)
        self._waits = True
        granted = self.database.schedule.until(lambda: not self._waits or not self.known, _STATEMENT_SECONDS)
        if not self.known:
            raise DatabaseFault(None, "connection lost")
        if not granted:
            self._waits = False
            self.database.waiting[lock].remove(self)
            raise DatabaseFault(QUERY_CANCELED, "canceling statement due to statement timeout")

    def _take(self, lock: Lock) -> None:
        self.database.locks[lock] = self
        self._locked.append(lock)

    def _unlock(self, lock: Lock) -> None:
        # Granted to the next in line at once, whatever its client is doing.
        del self.database.locks[lock]
        waiting = self.database.waiting.get(lock, [])
        while waiting:
            next_one = waiting.pop(0)
            if next_one.known:
                next_one._waits = False  # noqa: SLF001  of the same class
                next_one._idle_since = self.database.schedule.now  # noqa: SLF001
                next_one._take(lock)  # noqa: SLF001
                return

    def idle_too_long(self, since: float) -> bool:
        """Whether its client has left it inside a transaction since before then."""
        return self.changes is not None and not (self._waits or self._executes) and self._idle_since < since

    def terminate(self) -> None:
        """End it from the server's side."""
        self.up = False
        if self.known:
            self.known = False
            self.database.sessions.remove(self)
            self.end(commit=False)
