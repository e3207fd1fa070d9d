"""Reading all that `writegate status` shows."""

from __future__ import annotations

from collections.abc import Iterable

from writegate.config import Settings
from writegate.message.topology import queue_name
from writegate_console.gate.broker import TIMEOUT_SECONDS
from writegate_console.gate.connections.budget import read_budget
from writegate_console.gate.database import Database, Row
from writegate_console.gate.holds import holds_in_force
from writegate_console.gate.status.depths import read_depths
from writegate_console.gate.status.model import GateStatus, QueueDepth, lane_statuses, throughputs

RATE_SECONDS = 60.0
RATE_BATCHES = 50_000  # more than one database commits in a minute
_LANES = """
SELECT l.service, l.lane, l.domain, CASE WHEN d.lease_until > clock_timestamp() THEN d.owner END AS owner
FROM writegate.lane l JOIN writegate.domain d ON d.name = l.domain ORDER BY 1, 2
"""
# By numbers first: the index on times is a block-range index, which has nothing of what was written since the last
# vacuum.
_OUT = """
WITH recent AS MATERIALIZED (
    SELECT service, commands, committed_at FROM writegate.batch
    WHERE id > (SELECT max(id) FROM writegate.batch) - %(most)s
          AND committed_at > clock_timestamp() - %(seconds)s * interval '1 second'
)
SELECT s.service, coalesce(sum(b.commands), 0)::int AS commands, count(b.service)::int AS batches,
       max(b.committed_at) AS last_commit
FROM (SELECT DISTINCT service FROM writegate.lane) s LEFT JOIN recent b USING (service) GROUP BY 1 ORDER BY 1
"""
# The lowest number is that of the oldest, so that only an index is read.
_PARKED = """
SELECT g.service, g.cause, g.commands, p.parked_at AS oldest FROM (
    SELECT service, cause, count(*)::int AS commands, min(seq) AS first FROM writegate.parked
    WHERE state = 'parked' GROUP BY 1, 2
) g JOIN writegate.parked p ON p.seq = g.first ORDER BY 1, 2
"""
# As the writers sampled them. Only the one that holds a message knows its age and what is in it.
_SAMPLED = """
SELECT labels ->> 'service' AS service,
       max(value) FILTER (WHERE name = 'oldest_waiting_seconds' AND at > clock_timestamp() - interval '15 seconds')
           AS oldest_seconds,
       avg(value) FILTER (WHERE name = 'commands_per_message') AS commands_per_message
FROM writegate.history WHERE name IN ('oldest_waiting_seconds', 'commands_per_message')
    AND at > clock_timestamp() - interval '1 minute' GROUP BY 1
"""
# Of services whose messages nobody reads now: what was in the last ones.
_LAST_CONTENTS = """
SELECT s.service, (
    SELECT value FROM writegate.history WHERE name = 'commands_per_message' AND labels ->> 'service' = s.service
           AND at > clock_timestamp() - interval '1 day' ORDER BY at DESC LIMIT 1
) AS commands_per_message FROM unnest(%(services)s::text[]) AS s (service)
"""
_STOPPED = """
SELECT name AS domain, stopped_by AS cause, stopped_at AS since FROM writegate.domain
WHERE stopped_by IS NOT NULL ORDER BY 1
"""
# With a command of each, for people to look at.
_DEFERRED = """
SELECT g.service, g.task, g.reason, g.commands, d.id AS command, g.oldest FROM (
    SELECT service, task, reason, count(*)::int AS commands, min(deferred_at) AS oldest, min(seq) AS first
    FROM writegate.deferred WHERE state = 'deferred' GROUP BY 1, 2, 3
) g JOIN writegate.deferred d ON d.seq = g.first ORDER BY 1, 2, 3
"""


def read_status(
    database: Database,
    settings: Settings,
    rate_seconds: float = RATE_SECONDS,
    broker_timeout_seconds: float = TIMEOUT_SECONDS,
) -> GateStatus:
    """Return the status now; rates are averages of the last ``rate_seconds``."""
    depths, problem = read_depths(settings, broker_timeout_seconds)
    rows, holds = database.all(_LANES), holds_in_force(database)
    busy = {row["service"] for row in rows if _is_busy(depths.get(queue_name(row["service"], row["lane"])))}
    sampled = database.all(_SAMPLED)
    contents = _by_service(sampled, "commands_per_message")
    if unread := sorted(busy - contents.keys()):
        last = database.all(_LAST_CONTENTS, {"services": unread})
        contents |= _by_service(last, "commands_per_message")
    lanes = lane_statuses(rows, depths, holds, contents)
    recent = {"seconds": rate_seconds, "most": RATE_BATCHES}
    return GateStatus(
        lanes=lanes,
        out=throughputs(
            database.all(_OUT, recent), lanes, rate_seconds, contents, _by_service(sampled, "oldest_seconds")
        ),
        stopped=database.all(_STOPPED),
        holds=holds,
        parked=database.all(_PARKED),
        deferred=database.all(_DEFERRED),
        writers=read_budget(database),
        broker=problem,
        policies=[harm for depth in depths.values() for harm in depth.harms],
    )


def _is_busy(depth: QueueDepth | None) -> bool:
    return depth is not None and bool(depth.messages or depth.in_per_second)


def _by_service(rows: Iterable[Row], column: str) -> dict[str, float]:
    return {row["service"]: row[column] for row in rows if row[column] is not None}
