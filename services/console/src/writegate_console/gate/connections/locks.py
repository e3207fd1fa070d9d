"""Who waits for whose lock, as a tree. Pure but for the query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from writegate_console.gate.database import Database

_WAITING = """
WITH waiting AS (
    SELECT pid, pg_blocking_pids(pid) AS blockers FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
), blocking AS (SELECT DISTINCT unnest(blockers) AS pid FROM waiting)
SELECT a.pid, a.usename AS role, a.application_name AS application, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float AS transaction_seconds,
       left(a.query, 200) AS statement, coalesce(w.blockers, '{}') AS blockers
FROM pg_stat_activity a LEFT JOIN waiting w USING (pid)
WHERE pid IN (SELECT pid FROM waiting UNION SELECT pid FROM blocking) ORDER BY a.xact_start
"""


@dataclass(frozen=True, slots=True)
class LockedSession:
    """One session of the tree. ``depth``: 0 for a session that waits for no other."""

    depth: int
    pid: int
    role: str | None
    application: str | None
    state: str | None
    transaction_seconds: float | None
    statement: str | None


def read_lock_tree(database: Database) -> list[LockedSession]:
    """Return the tree: each session before those that wait for it."""
    return lock_tree(database.all(_WAITING))


def lock_tree(rows: Sequence[Mapping[str, Any]]) -> list[LockedSession]:
    """Order sessions by who waits for whom. A session that waits for several stands below the first of them."""
    known = {row["pid"]: row for row in rows}
    below: dict[int | None, list[int]] = {}
    for pid, row in known.items():
        blocker = next((blocking for blocking in row["blockers"] if blocking in known), None)
        below.setdefault(blocker, []).append(pid)
    placed: set[int] = set()

    def walk(pid: int, depth: int) -> Iterator[LockedSession]:
        if pid in placed:
            return
        placed.add(pid)
        row = {name: value for name, value in known[pid].items() if name != "blockers"}
        yield LockedSession(depth, **row)
        for other in below.get(pid, ()):
            yield from walk(other, depth + 1)

    found = [session for pid in below.get(None, ()) for session in walk(pid, 0)]
    # What is left is a cycle, a deadlock that the server has not ended yet: each session in it waits for another.
    return found + [session for pid in known for session in walk(pid, 0)]
