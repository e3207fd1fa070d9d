"""The database as its reader: one connection, nothing but reading. The only module that opens one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.extras import RealDictCursor
from psycopg2.sql import Composable

from writegate.config import Settings
from writegate.errors import WritegateError

CONNECT_SECONDS = 10
STATEMENT_MILLIS = 30_000  # nobody reads on for longer, and a busy server is not to be kept busier

Row = Mapping[str, Any]


class Database:
    """A database as its reader sees it."""

    def __init__(self, opened: connection) -> None:
        self._connection = opened

    def all(self, query: str | Composable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows, each by column name. Raises :class:`WritegateError` with the server's own words."""
        try:
            return rows_of(self._connection, query, parameters)
        except psycopg2.Error as error:
            raise WritegateError(f"cannot read from the database: {str(error).strip()}") from error

    def services(self) -> list[str]:
        """Return the names of the services that have lanes."""
        return [row["service"] for row in self.all("SELECT DISTINCT service FROM writegate.lane ORDER BY service")]


def rows_of(opened: connection, query: str | Composable, parameters: Mapping[str, Any] | None) -> list[Row]:
    """Return all rows of a query, each by column name. Raises the driver's errors."""
    with opened, opened.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def connect(url: str, *, statement_millis: int, connect_seconds: int) -> connection:
    """Open a connection for reading only. Raises the driver's errors.

    Indexes are preferred to whole tables more than the server may be set up for: what is read is small and in memory.
    """
    return psycopg2.connect(
        url,
        connect_timeout=connect_seconds,
        application_name="writegate console",
        options=f"-c default_transaction_read_only=on -c statement_timeout={statement_millis} -c random_page_cost=1.1",
    )


@contextmanager
def reading() -> Iterator[Database]:
    """Open the connection that ``WRITEGATE_DATABASE_URL`` names, for reading only."""
    settings = Settings.load(need=("database_url",))
    try:
        opened = connect(settings.database_url, statement_millis=STATEMENT_MILLIS, connect_seconds=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        raise WritegateError(
            f"cannot connect to the database: {str(error).strip()}: check WRITEGATE_DATABASE_URL"
        ) from error
    try:
        yield Database(opened)
    finally:
        opened.close()
