"""The writers' sessions while faults happen, as the database server shows them, sampled many times a second."""

from __future__ import annotations

import psycopg2

from tests.faults.sampling import Sampling
from tests.integration.gate import WRITER, Gate

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
# A writer locks the table when it writes to it, until its transaction ends. The fence lets one transaction get that
# far. The ledger's key would not: two transactions may hold different commands that change the same rows.
_COLLISIONS = """
SELECT count(DISTINCT pid) > 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE usename = %s AND locktype = 'relation' AND relation = 'trial.step'::regclass AND mode = 'RowExclusiveLock'
      AND granted
"""


class Watch(Sampling):
    """Counts the connections of the writer role, and when more than one of them writes to the domain's table."""

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
