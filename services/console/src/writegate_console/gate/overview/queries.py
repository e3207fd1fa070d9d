"""Reading all that the first page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from writegate.config import Settings
from writegate_console.gate.audit import AuditEntry, newest_entries
from writegate_console.gate.broker import PAGE_TIMEOUT_SECONDS
from writegate_console.gate.connections.counts import ConnectionCounts, SessionCount, total_counts
from writegate_console.gate.connections.locks import LockedSession, read_lock_tree
from writegate_console.gate.connections.queries import read_sessions
from writegate_console.gate.database import Database, Row
from writegate_console.gate.overview.headline import Headline, headline
from writegate_console.gate.overview.services import ServiceRow, service_rows
from writegate_console.gate.status.queries import read_status

RATE_SECONDS = 10.0  # short, so that changes show soon; `writegate status` shows the last minute
AUDIT_ENTRIES = 8
_DATABASE = """
SELECT deadlocks, stats_reset, clock_timestamp() AS now,
       (SELECT min(deferred_at) FROM writegate.deferred WHERE state = 'deferred') AS oldest_deferred
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything, as of ``at`` by the database's clock. ``broker``: why there are no depths, None when there are."""

    at: datetime
    headline: Headline
    services: Sequence[ServiceRow]
    sessions: Sequence[SessionCount]
    locks: Sequence[LockedSession]
    parked: Sequence[Row]
    deferred: Sequence[Row]
    stopped: Sequence[Row]
    holds: Sequence[Row]
    audit: Sequence[AuditEntry]
    broker: str | None


def read_overview(database: Database, settings: Settings, baseline: ConnectionCounts | None) -> Overview:
    """Return the overview now. Raises :class:`WritegateError` when the database does not answer."""
    status = read_status(database, settings, RATE_SECONDS, PAGE_TIMEOUT_SECONDS)
    [row] = database.all(_DATABASE)
    sessions = read_sessions(database)
    counts = total_counts(sessions, row["deadlocks"])
    return Overview(
        at=row["now"],
        headline=headline(status, counts, row, baseline),
        services=service_rows(status),
        sessions=sessions,
        locks=read_lock_tree(database),
        parked=status.parked,
        deferred=status.deferred,
        stopped=status.stopped,
        holds=status.holds,
        audit=newest_entries(database, AUDIT_ENTRIES),
        broker=status.broker,
    )
