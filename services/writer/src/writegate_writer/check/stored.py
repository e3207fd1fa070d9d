"""What is parked, deferred and was applied of late, read as the reader role.

Nothing is locked, and little is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import psycopg2
from psycopg2.extensions import connection

from writegate.config import Settings
from writegate.errors import WritegateError, one_line
from writegate.message.envelope import Item
from writegate.session_name import command_name, session_name
from writegate_writer.check.decoding import Kept

CONNECT_SECONDS = 10
_PAGE_ROWS = 100  # of at most 256 KiB each

# Each part in its own order: one order over all would sort the bodies too.
# Commands that were parked because of the database, a handler, a crash or people had been decoded. Malformed ones never
# were.
# What the broker gave up has the form of a command, and some writer was to read it.
_PARKED = """
SELECT 'parked', service, id, task, version, key, raw FROM writegate.parked
WHERE state = 'parked' AND service = ANY(%(services)s) AND task IS NOT NULL
      AND (sqlstate IS NOT NULL OR cause IN ('rejected', 'crash', 'parked-by-people')
           OR starts_with(cause, 'dead-letter:'))
ORDER BY seq
"""
_DEFERRED = """
SELECT 'deferred', service, id, task, version, key, raw FROM writegate.deferred
WHERE state = 'deferred' AND service = ANY(%(services)s) ORDER BY seq
"""
# What was not seen for as long as duplicates are recognised is not recent any more.
_RECENT = """
SELECT 'recent', service, id, task, version, key, raw
FROM writegate.recent JOIN writegate.service s ON s.name = service
WHERE seen_at > clock_timestamp() - retention AND service = ANY(%(services)s) ORDER BY task, version
"""


def kept_commands(services: Iterable[str]) -> Iterator[Kept]:
    """Yield the stored commands of these services. Raises :class:`WritegateError` with the server's error."""
    settings = Settings.load(need=("database_url",))
    try:
        with closing(_connected(settings)) as opened, opened:
            for query in (_PARKED, _DEFERRED, _RECENT):
                with opened.cursor("writegate_check") as cursor:  # at the server: it hands over a page at a time
                    cursor.itersize = _PAGE_ROWS
                    cursor.execute(query, {"services": list(services)})
                    for where, service, id_, task, version, key, raw in cursor:
                        yield Kept(where, service, Item(id_, task, version, key, bytes(raw)))
    except psycopg2.Error as error:
        raise WritegateError(f"cannot read what is kept: {one_line(error)}: check WRITEGATE_DATABASE_URL") from error


def _connected(settings: Settings) -> connection:
    return psycopg2.connect(
        settings.database_url,
        connect_timeout=CONNECT_SECONDS,
        application_name=session_name(command_name()),
        options="-c default_transaction_read_only=on",
    )
