"""What the database server says of the writers' sessions while faults happen, looked at many times a second."""

from __future__ import annotations

import threading
from typing import Any, Self

import psycopg2

from tests.integration.gate import WRITER, Gate

EVERY_SECONDS = 0.05

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
# A transaction waits for another one of its domain at the fence, and nowhere else: never with its ledger rows.
_COLLISIONS = """
SELECT count(*) FROM pg_stat_activity waiting
WHERE usename = %s AND wait_event_type = 'Lock' AND query LIKE '%%INSERT INTO writegate.ledger%%'
      AND EXISTS (SELECT FROM pg_stat_activity holder
                  WHERE holder.usename = waiting.usename AND holder.pid = ANY (pg_blocking_pids(waiting.pid)))
"""


class Watch:
    """Looks as long as the block lasts; while the server is away there is nothing to see."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.samples = 0
        self.peak_connections = 0
        self.collisions = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _look(self) -> None:
        connection: Any = None
        while not self._ending.wait(EVERY_SECONDS):
            try:
                connection = connection or self._gate.servers.superuser(self._gate.name)
                with connection.cursor() as cursor:
                    self._sample(cursor)
            except psycopg2.Error:
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _sample(self, cursor: Any) -> None:
        cursor.execute(_CONNECTIONS, [WRITER])
        self.peak_connections = max(self.peak_connections, cursor.fetchone()[0])
        cursor.execute(_COLLISIONS, [WRITER])
        self.collisions += cursor.fetchone()[0]
        self.samples += 1
