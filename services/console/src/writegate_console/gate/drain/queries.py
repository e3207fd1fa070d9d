"""What a drain asks the database and the broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from writegate.config import Settings
from writegate.contract.targets import Target
from writegate.message.topology import queue_name
from writegate_console.gate.broker import queues
from writegate_console.gate.database import Database
from writegate_console.gate.drain.progress import Counted, Lane

_LANES = "SELECT service, lane, domain FROM writegate.lane"
_TABLES = "SELECT name, tables FROM writegate.domain"
_HOLDS = "SELECT target FROM writegate.hold WHERE until IS NULL OR until > clock_timestamp()"
_NOW = "SELECT clock_timestamp() AS now"
# Batches that began before: they may not have seen a hold that was placed since.
_IN_WORK = """
SELECT count(*)::int AS count FROM pg_stat_activity
WHERE usename = 'writegate_writer' AND application_name LIKE 'writegate-writer%%' AND xact_start < %(before)s
"""
_DEFERRED = """
SELECT reason, count(*)::int AS commands FROM writegate.deferred d
JOIN unnest(%(services)s::text[], %(lanes)s::int[]) AS one (service, lane) USING (service, lane)
WHERE state = 'deferred' AND deferred_at < %(before)s
  AND (%(task)s::text IS NULL OR task = %(task)s) AND (%(key)s::text IS NULL OR key = %(key)s)
GROUP BY reason ORDER BY reason
"""


def lanes(database: Database) -> dict[Lane, str]:
    """Return the domain of each lane."""
    return {(row["service"], row["lane"]): row["domain"] for row in database.all(_LANES)}


def tables(database: Database) -> dict[str, list[str]]:
    """Return the tables of each domain."""
    return {row["name"]: row["tables"] for row in database.all(_TABLES)}


def holds(database: Database) -> list[str]:
    """Return the targets of the holds in force."""
    return [row["target"] for row in database.all(_HOLDS)]


def now(database: Database) -> datetime:
    """Return the database's time."""
    found: datetime = database.all(_NOW)[0]["now"]
    return found


def in_work(database: Database, before: datetime) -> int:
    """Return how many transactions of writers that began before a time are still open."""
    return int(database.all(_IN_WORK, {"before": before})[0]["count"])


def deferred(database: Database, target: Target, of: Sequence[Lane], before: datetime) -> dict[str, int]:
    """Return how many commands of a target have been set aside since before a time and wait, by reason."""
    names = {"services": [service for service, _ in of], "lanes": [lane for _, lane in of]}
    rows = database.all(_DEFERRED, {**names, "before": before, "task": target.task, "key": target.key})
    return {row["reason"]: row["commands"] for row in rows}


def counted(settings: Settings, of: Iterable[Lane]) -> dict[str, Counted]:
    """Return what the broker counted in the queues of lanes. Raises :class:`WritegateError` when it does not say."""
    found = queues(settings)
    names = {queue_name(*lane) for lane in of}
    return {
        name: Counted(queue.get("messages", 0), queue.get("message_stats", {}).get("ack", 0))
        for name, queue in found.items()
        if name in names
    }
