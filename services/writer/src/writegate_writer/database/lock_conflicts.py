"""Lock conflicts with sessions of others: which session blocks a batch, and with which statement.

After a deadlock the other session goes on at once, and the server's error names only its process. So lock waits are
observed while they last, on the control connection, twice a second: PostgreSQL ends a deadlock after one second
(``deadlock_timeout``).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import structlog

from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault, Fault
from writegate_writer.receive.sanitizing import sanitize_text

log = structlog.get_logger(__name__)

# A wait that was last observed longer ago than this has nothing to do with an error.
_FRESH_SECONDS = 5.0
_STATEMENT_CHARACTERS = 500
_LOG_AGAIN_SECONDS = 60.0
# The server's English message. If it uses another language, only waits that were observed in time are known.
_BLOCKED_BY = re.compile(r"blocked by process (\d+)")

# Writers block each other at the fence when a domain gets another owner: that is not a conflict with others.
_BLOCKED = """
SELECT mine.pid, blocker, other.who, other.application, other.statement
FROM pg_stat_activity mine, unnest(pg_blocking_pids(mine.pid)) AS blocker, writegate.session_of(blocker) AS other
WHERE mine.application_name = ANY(%s) AND mine.usename = current_user AND mine.wait_event_type = 'Lock'
      AND other.who IS DISTINCT FROM current_user
"""


@dataclass(frozen=True, slots=True)
class LockWait:
    """The session that a slot waits for. ``statement``: what it runs or ran last, at most 500 characters."""

    pid: int
    who: str
    application: str
    statement: str

    @classmethod
    def of(cls, pid: int, who: str, application: str, statement: str) -> LockWait:
        return cls(pid, who, application, " ".join(statement.split()))


class LockConflicts:
    """The lock waits of this process's slots.

    ``observe_waits`` is called by the control thread, ``conflict`` by slot threads; the waits are under a lock.
    """

    def __init__(self, applications: Sequence[str]) -> None:
        self._applications = list(applications)
        self._lock = threading.Lock()
        self._seen: dict[int, tuple[float, LockWait]] = {}  # by the slot's backend
        self._failure = ""
        self._log_again_at = 0.0
        self.conflicts = 0

    def observe_waits(self, session: Session) -> None:
        """Record the lock waits that last at this moment."""
        try:
            rows = session.own(_BLOCKED, [self._applications])
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            self._log_failure(f"{error.sqlstate}: {error}")
            return
        with self._lock:
            for mine, *other in rows:
                wait = LockWait.of(*other)
                if self._seen.get(mine, (0.0, None))[1] != wait:
                    log.warning("slot.blocked", **asdict(wait))
                self._seen[mine] = (time.monotonic(), wait)

    def _log_failure(self, text: str) -> None:
        """Log that lock waits could not be read: when the error is a new one, and else once a minute."""
        now = time.monotonic()
        if text != self._failure or now >= self._log_again_at:
            self._failure, self._log_again_at = text, now + _LOG_AGAIN_SECONDS
            log.warning("lock_conflicts.unknown", error=text)

    def conflict(self, session: Session, error: DatabaseFault) -> LockWait | None:
        """Count a conflict that ended a session's transaction; return the session that blocked it, if it is known."""
        with self._lock:
            self.conflicts += 1
            at, wait = self._seen.get(session.backend, (0.0, None))
        named = {int(pid) for pid in _BLOCKED_BY.findall(str(error))} - {session.backend}
        if wait is not None and time.monotonic() - at < _FRESH_SECONDS and wait.pid in (named or {wait.pid}):
            return wait
        for pid in named:
            # Not observed in time: the statement that it runs now, or ran last, is all that is known.
            for row in session.own("SELECT * FROM writegate.session_of(%s)", [pid]):
                return LockWait.of(pid, *row)
        return None


_KEEP = "INSERT INTO writegate.history (at, name, labels, value) VALUES (clock_timestamp(), 'conflict', %s, 1)"


def conflict_labels(domain: str, error: DatabaseFault, wait: LockWait | None) -> dict[str, str]:
    """Return what is recorded of a conflict: both statements, ours without its values, and the other session's user."""
    labels = {"domain": domain, "sqlstate": error.sqlstate or "", "error": str(error)}
    labels["statement"] = " ".join((error.statement or "").split())[:_STATEMENT_CHARACTERS]
    if wait is not None:
        other = {"pid": str(wait.pid), "who": wait.who, "application": wait.application, "statement": wait.statement}
        labels |= {f"other_{name}": text for name, text in other.items()}
    return {name: sanitize_text(text) for name, text in labels.items()}


def record_conflict(session: Session, labels: Mapping[str, str]) -> None:
    """Store a conflict in ``writegate.history``."""
    session.own(_KEEP, [json.dumps(labels)])
