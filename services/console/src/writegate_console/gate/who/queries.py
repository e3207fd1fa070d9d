"""Queries: a row's transaction, the batch of that transaction, and the ids of the batch's commands."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.sql import SQL, Identifier, Placeholder

from writegate.catalog.find import suggestion
from writegate.errors import WritegateError
from writegate_console.gate.database import Database
from writegate_console.gate.who.row_author import RowAuthor, full_xid

MAX_IDS = 20  # a batch may have thousands

_TABLES = "SELECT DISTINCT unnest(tables) AS path FROM writegate.domain"
_KEY = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, position)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisprimary AND n.nspname = %(schema)s AND c.relname = %(name)s ORDER BY k.position
"""
_ROW = SQL("""
SELECT xmin::text::bigint AS xmin, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
FROM {table} WHERE {key}
""")
# Only a batch of a domain that may touch the table: the number of a frozen row may have been used again since.
_BATCH = """
SELECT b.id, b.domain, b.service, b.writer, b.xid, b.commands, b.started_at, b.committed_at
FROM writegate.batch b JOIN writegate.domain d ON d.name = b.domain
WHERE b.xid = %(xid)s AND %(path)s = ANY(d.tables)
"""
# The ledger's day is in the time zone of the writer's session: one more day on each side covers every time zone.
_COMMANDS = """
SELECT id::text AS id, (count(*) OVER ())::int AS found FROM writegate.ledger
WHERE day BETWEEN %(at)s::date - 1 AND %(at)s::date + 1 AND service = %(service)s AND batch = %(batch)s
      AND outcome = 'a' ORDER BY id LIMIT %(most)s
"""


def find_author(database: Database, table: str, values: Sequence[str]) -> RowAuthor:
    """Return who last wrote the row of this primary key. Raises :class:`WritegateError` when there is no such row."""
    known = {row["path"] for row in database.all(_TABLES)}
    if table not in known:
        raise WritegateError(f"no table of the gate is called {table!r}: {suggestion(table, known)}")
    schema, _, name = table.partition(".")
    key = database.all(_KEY, {"schema": schema, "name": name})
    if len(values) != len(key):
        columns = ", ".join(f"{column['name']} ({column['type']})" for column in key) or "none: it has no primary key"
        raise WritegateError(f"{table} takes {len(key)} values of its primary key, not {len(values)}: {columns}")
    condition = SQL(" AND ").join(
        SQL("{} = {}").format(Identifier(column["name"]), Placeholder(f"value{number}"))
        for number, column in enumerate(key)
    )
    parameters = {f"value{number}": value for number, value in enumerate(values)}
    rows = database.all(_ROW.format(table=Identifier(schema, name), key=condition), parameters)
    if not rows:
        raise WritegateError(f"{table} has no row {', '.join(values)}")
    return _author(database, table, rows[0]["xmin"], rows[0]["next_xid"])


def _author(database: Database, table: str, xmin: int, next_xid: int) -> RowAuthor:
    xid = full_xid(xmin, next_xid)
    batches = [] if xid is None else database.all(_BATCH, {"xid": xid, "path": table})
    if not batches:
        return RowAuthor(xmin, xid, None)
    batch = batches[0]
    parameters = {"at": batch["committed_at"], "service": batch["service"], "batch": batch["id"], "most": MAX_IDS}
    commands = database.all(_COMMANDS, parameters)
    others = commands[0]["found"] - len(commands) if commands else 0
    return RowAuthor(xmin, xid, batch, [row["id"] for row in commands], others)
