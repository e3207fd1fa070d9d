"""The writers' sessions while faults happen, as the database server shows them, sampled many times a second."""

from __future__ import annotations

import psycopg2

from tests.faults.sampling import Sampling
from tests.integration.gate import WRITER, Gate

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
# A transaction waits for another one of its domain at the fence, and nowhere else: never with its ledger rows.
_COLLISIONS = """
SELECT count(*) FROM pg_stat_activity waiting
WHERE usename = %s AND wait_event_type = 'Lock' AND query LIKE '%%INSERT INTO writegate.ledger%%'
      AND EXISTS (SELECT FROM pg_stat_activity holder
                  WHERE holder.usename = waiting.usename AND holder.pid = ANY (pg_blocking_pids(waiting.pid)))
"""


class Watch(Sampling):
    """Counts the connections of the writer role, and those that wait for each other."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self.peak_connections = 0
        self.collisions = 0

    def check(self) -> None:
        """What it saw is part of the verdict over all that happened."""

    def sample(self, cursor: psycopg2.extensions.cursor) -> None:
        cursor.execute(_CONNECTIONS, [WRITER])
        self.peak_connections = max(self.peak_connections, *(cursor.fetchone() or (0,)))
        cursor.execute(_COLLISIONS, [WRITER])
        self.collisions += (cursor.fetchone() or (0,))[0]
