"""What is parked and deferred, read as the reader role. Nothing is locked, and little is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection

from writegate.config import Settings
from writegate.envelope import Item
from writegate.errors import WritegateError
from writegate_writer.check.decoding import Kept

CONNECT_SECONDS = 10
_PAGE_ROWS = 100  # of at most 256 KiB each

# Parked for what the database, a handler or a crash said: it was read then. What was parked for its form never was.
_KEPT = """
SELECT 'parked', service, id, task, version, key, raw FROM writegate.parked
WHERE state = 'parked' AND (sqlstate IS NOT NULL OR cause IN ('rejected', 'crash')) AND service = ANY(%(services)s)
UNION ALL
SELECT 'deferred', service, id, task, version, key, raw FROM writegate.deferred
WHERE state = 'deferred' AND service = ANY(%(services)s)
"""
# Each part in its own order: an order over both would sort all of it, bodies included.


def kept_commands(services: Iterable[str]) -> Iterator[Kept]:
    """Yield what is kept of these services. Raises :class:`WritegateError` with the server's own words."""
    settings = Settings.load(need=("database_url",))
    try:
        with closing(_connected(settings)) as opened, opened, opened.cursor("writegate_check") as cursor:
            cursor.itersize = _PAGE_ROWS
            cursor.execute(_KEPT, {"services": list(services)})
            for where, service, id_, task, version, key, raw in cursor:
                yield Kept(where, service, Item(id_, task, version, key, bytes(raw)))
    except psycopg2.Error as error:
        raise WritegateError(f"cannot read what is kept: {str(error).strip()}: check WRITEGATE_DATABASE_URL") from error


def _connected(settings: Settings) -> connection:
    return psycopg2.connect(
        settings.database_url,
        connect_timeout=CONNECT_SECONDS,
        application_name="writegate check",
        options="-c default_transaction_read_only=on",
    )
