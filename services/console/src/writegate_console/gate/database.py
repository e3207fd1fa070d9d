"""The database as the reader role sees it. The only module that opens a connection, for reading only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor
from psycopg2.sql import Composable

from writegate.config import Settings
from writegate.errors import WritegateError, one_line
from writegate.session_name import command_name, session_name

CONNECT_SECONDS = 10
STATEMENT_MILLIS = 30_000  # a busy server is not to be kept busy by a question that nobody waits for any more
_OPTIONS = "-c default_transaction_read_only=on -c random_page_cost=1.1 -c max_parallel_workers_per_gather=0 -c jit=off"

Row = Mapping[str, Any]


class Database:
    """A connection for reading, used by one thread."""

    def __init__(self, opened: connection) -> None:
        self._connection = opened

    def all(self, query: str | Composable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows, each by column name. Raises :class:`WritegateError` with the server's message."""
        try:
            return fetch_rows(self._connection, query, parameters)
        except psycopg2.Error as error:
            raise WritegateError(f"cannot read from the database: {one_line(error)}") from error

    def services(self) -> list[str]:
        """Return the names of the services that have lanes."""
        return [row["service"] for row in self.all("SELECT DISTINCT service FROM writegate.lane ORDER BY service")]


def fetch_rows(opened: connection, query: str | Composable, parameters: Mapping[str, Any] | None) -> list[Row]:
    """Return all rows of a query, each by column name. Raises the driver's errors."""
    with opened, opened.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def connect(url: str, program: str, *, statement_millis: int, connect_seconds: int) -> connection:
    """Open a connection for reading only. Raises the driver's errors.

    ``program``: by which it is found in ``pg_stat_activity``. ``random_page_cost`` is low, so that the server prefers
    indexes to whole tables: what the console reads is small and in memory. A query runs on one processor: parallel
    workers, and compiling it, would let a search take all processors from writers and other pages.
    """
    return psycopg2.connect(
        url,
        connect_timeout=connect_seconds,
        application_name=session_name(program),
        options=f"-c statement_timeout={statement_millis} {_OPTIONS}",
    )


@contextmanager
def reading() -> Iterator[Database]:
    """Open the connection that ``WRITEGATE_DATABASE_URL`` names, for as long as the block lasts."""
    settings = Settings.load(need=("database_url",))
    try:
        opened = connect(
            settings.database_url, command_name(), statement_millis=STATEMENT_MILLIS, connect_seconds=CONNECT_SECONDS
        )
    except psycopg2.OperationalError as error:
        raise WritegateError(
            f"cannot connect to the database: {one_line(error)}: check WRITEGATE_DATABASE_URL"
        ) from error
    try:
        yield Database(opened)
    finally:
        opened.close()
