"""Who waits for whose lock, as a tree. Pure but for the question."""

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
class Locked:
    """One session of the tree. ``depth``: 0 for those who wait for nobody."""

    depth: int
    pid: int
    role: str | None
    application: str | None
    state: str | None
    transaction_seconds: float | None
    statement: str | None


def waiting(database: Database) -> list[Locked]:
    """Return the tree, each blocker before those who wait for it."""
    return tree(database.all(_WAITING))


def tree(rows: Sequence[Mapping[str, Any]]) -> list[Locked]:
    """Order sessions by who waits for whom. Whoever waits for several stands below the first of them."""
    known = {row["pid"]: row for row in rows}
    below: dict[int | None, list[int]] = {}
    for pid, row in known.items():
        blocker = next((one for one in row["blockers"] if one in known), None)
        below.setdefault(blocker, []).append(pid)
    placed: set[int] = set()

    def walk(pid: int, depth: int) -> Iterator[Locked]:
        if pid in placed:
            return
        placed.add(pid)
        row = {name: value for name, value in known[pid].items() if name != "blockers"}
        yield Locked(depth, **row)
        for other in below.get(pid, ()):
            yield from walk(other, depth + 1)

    found = [one for pid in below.get(None, ()) for one in walk(pid, 0)]
    # A ring, until the server ends it: nobody in it waits for nobody.
    return found + [one for pid in known for one in walk(pid, 0)]
