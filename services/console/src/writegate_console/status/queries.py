"""One look at everything the screen shows."""

from __future__ import annotations

from writegate.config import Settings
from writegate_console.budget import budget
from writegate_console.database import Database
from writegate_console.status.broker import depths
from writegate_console.status.screen import Screen, lanes_of, out_of

RATE_SECONDS = 60.0
_LANES = """
SELECT l.service, l.lane, l.domain, CASE WHEN d.lease_until > clock_timestamp() THEN d.owner END AS owner
FROM writegate.lane l JOIN writegate.domain d ON d.name = l.domain ORDER BY 1, 2
"""
_OUT = """
SELECT s.service, coalesce(b.commands, 0)::int AS commands, b.batches::int AS batches, b.last_commit
FROM (SELECT DISTINCT service FROM writegate.lane) s CROSS JOIN LATERAL (
    SELECT sum(commands) AS commands, count(*) AS batches, max(committed_at) AS last_commit FROM writegate.batch
    WHERE service = s.service AND committed_at > clock_timestamp() - %(seconds)s * interval '1 second'
) b ORDER BY 1
"""
_HOLDS = """
SELECT target, reason, holder, since, until FROM writegate.hold
WHERE until IS NULL OR until > clock_timestamp() ORDER BY target
"""
_PARKED = """
SELECT service, cause, count(*)::int AS commands, min(parked_at) AS oldest FROM writegate.parked
WHERE state = 'parked' GROUP BY 1, 2 ORDER BY 1, 2
"""
_DEFERRED = """
SELECT service, reason, count(*)::int AS commands, min(deferred_at) AS oldest FROM writegate.deferred
WHERE state = 'deferred' GROUP BY 1, 2 ORDER BY 1, 2
"""


def look(database: Database, settings: Settings) -> Screen:
    """Return what there is now."""
    found, why = depths(settings)
    lanes = lanes_of(database.all(_LANES), found)
    return Screen(
        lanes=lanes,
        out=out_of(database.all(_OUT, {"seconds": RATE_SECONDS}), lanes, RATE_SECONDS),
        holds=database.all(_HOLDS),
        parked=database.all(_PARKED),
        deferred=database.all(_DEFERRED),
        writers=budget(database),
        broker=why,
    )
