"""The database server's own counters while a phase runs, over one connection that is left out of every figure."""

from __future__ import annotations

import threading
from typing import Any, Self

import psycopg2

EVERY_SECONDS = 0.05

_CLIENTS = """
    select count(*) from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


class Sampler:
    """Counts all client connections of the server, many times a second, from ``with`` to its end.

    ``url`` is a superuser's: others do not see what kind of backend a session is.
    """

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url, application_name="demo sampler")
        self._connection.autocommit = True
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)
        self._deadlocks_before = 0
        self.peak_connections = 0

    def __enter__(self) -> Self:
        self._deadlocks_before = self._deadlocks_so_far()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._connection.close()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, over the connection that is not counted."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    @property
    def deadlocks(self) -> int:
        """Deadlocks in this database since ``with``."""
        return self._deadlocks_so_far() - self._deadlocks_before

    def _deadlocks_so_far(self) -> int:
        ((count,),) = self.ask("select deadlocks from pg_stat_database where datname = current_database()")
        return int(count)

    def _sample(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            ((clients,),) = self.ask(_CLIENTS)
            self.peak_connections = max(self.peak_connections, clients)
