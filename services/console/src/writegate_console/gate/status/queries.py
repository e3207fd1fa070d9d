"""One look at everything the screen shows."""

from __future__ import annotations

from writegate.config import Settings
from writegate_console.gate.broker import TIMEOUT_SECONDS
from writegate_console.gate.budget import budget
from writegate_console.gate.database import Database
from writegate_console.gate.status.broker import depths
from writegate_console.gate.status.screen import Screen, lanes_of, out_of

RATE_SECONDS = 60.0
RATE_BATCHES = 50_000  # more than one database commits in that time
_LANES = """
SELECT l.service, l.lane, l.domain, CASE WHEN d.lease_until > clock_timestamp() THEN d.owner END AS owner
FROM writegate.lane l JOIN writegate.domain d ON d.name = l.domain ORDER BY 1, 2
"""
# By numbers first: the index on the times knows nothing of what was written since the last vacuum.
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
_HOLDS = """
SELECT target, reason, holder, since, until FROM writegate.hold
WHERE until IS NULL OR until > clock_timestamp() ORDER BY target
"""
# The lowest number is that of the oldest: only an index is read.
_PARKED = """
SELECT g.service, g.cause, g.commands, p.parked_at AS oldest FROM (
    SELECT service, cause, count(*)::int AS commands, min(seq) AS first FROM writegate.parked
    WHERE state = 'parked' GROUP BY 1, 2
) g JOIN writegate.parked p ON p.seq = g.first ORDER BY 1, 2
"""
_DEFERRED = """
SELECT service, reason, count(*)::int AS commands, min(deferred_at) AS oldest FROM writegate.deferred
WHERE state = 'deferred' GROUP BY 1, 2 ORDER BY 1, 2
"""


def look(
    database: Database, settings: Settings, seconds: float = RATE_SECONDS, broker_seconds: float = TIMEOUT_SECONDS
) -> Screen:
    """Return what there is now; rates are those of the last ``seconds``."""
    found, why = depths(settings, broker_seconds)
    lanes = lanes_of(database.all(_LANES), found)
    return Screen(
        lanes=lanes,
        out=out_of(database.all(_OUT, {"seconds": seconds, "most": RATE_BATCHES}), lanes, seconds),
        holds=database.all(_HOLDS),
        parked=database.all(_PARKED),
        deferred=database.all(_DEFERRED),
        writers=budget(database),
        broker=why,
    )
