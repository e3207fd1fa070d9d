"""What a drain asks the database and the broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from writegate.config import Settings
from writegate.contract.targets import Target
from writegate.message.topology import queue_name
from writegate_console.gate.broker import TIMEOUT_SECONDS, object_in, read_queues
from writegate_console.gate.database import Database
from writegate_console.gate.drain.progress import LaneKey, QueueCount

_LANES = "SELECT service, lane, domain FROM writegate.lane"
_NOW = "SELECT clock_timestamp() AS now"
# A batch that began before may not have seen a hold that was placed since.
_OPEN = """
SELECT count(*)::int AS count FROM pg_stat_activity
WHERE usename = 'writegate_writer' AND application_name LIKE 'writegate-writer%%' AND xact_start < %(before)s
"""
_DEFERRED = """
SELECT reason, count(*)::int AS commands FROM writegate.deferred d
JOIN unnest(%(services)s::text[], %(lanes)s::int[]) AS chosen (service, lane) USING (service, lane)
WHERE state = 'deferred' AND deferred_at < %(before)s
  AND (%(task)s::text IS NULL OR task = %(task)s) AND (%(key)s::text IS NULL OR key = %(key)s)
GROUP BY reason ORDER BY reason
"""


def lane_domains(database: Database) -> dict[LaneKey, str]:
    """Return the domain of each lane."""
    return {(row["service"], row["lane"]): row["domain"] for row in database.all(_LANES)}


def database_time(database: Database) -> datetime:
    """Return the time by the database's clock."""
    found: datetime = database.all(_NOW)[0]["now"]
    return found


def open_transactions(database: Database, before: datetime) -> int:
    """Return how many transactions of writers that began before a time are still open."""
    return int(database.all(_OPEN, {"before": before})[0]["count"])


def deferred_by_reason(
    database: Database, target: Target, lanes: Sequence[LaneKey], before: datetime
) -> dict[str, int]:
    """Return how many commands of a target were deferred before a time and still wait, by reason."""
    names = {"services": [service for service, _ in lanes], "lanes": [lane for _, lane in lanes]}
    rows = database.all(_DEFERRED, {**names, "before": before, "task": target.task, "key": target.key})
    return {row["reason"]: row["commands"] for row in rows}


def queue_counts(
    settings: Settings, lanes: Iterable[LaneKey], timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[str, QueueCount]:
    """Return what the broker counted in the queues of lanes. Raises :class:`WritegateError` when it does not answer."""
    names = {queue_name(*lane) for lane in lanes}
    return {
        name: QueueCount(queue.get("messages", 0), object_in(queue, "message_stats").get("ack", 0))
        for name, queue in read_queues(settings, timeout_seconds).items()
        if name in names
    }
