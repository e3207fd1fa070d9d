"""The types that the columns of a primary key have in the database, whatever the Table declares.

Commands of one key are folded, so it matters what the database takes for equal: a text may be a citext there, a number
may have a scale, a column may have a collation of its own. A length limit is left out: a cast would cut a value that an
assignment refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Table

from writegate_writer.handlers.rows.source import DIALECT, ColumnSource, RowSource

_TYPES = """
SELECT attname, format_type(atttypid, CASE WHEN typname IN ('bpchar', 'varchar', 'bit', 'varbit') THEN -1
                                           ELSE atttypmod END),
       quote_ident(n.nspname) || '.' || quote_ident(collname)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation c ON c.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE attrelid = to_regclass(%s) AND attname = ANY(%s) AND NOT attisdropped
"""


class Statements(Protocol):
    """A connection that runs statements with psycopg2's parameters: SQLAlchemy's, or that of ``plan``."""

    def exec_driver_sql(self, statement: str, parameters: Any = None) -> Iterable[Any]:
        """Run a statement, and return its rows."""


def with_key_types(connection: Statements, table: Table, source: RowSource) -> RowSource:
    """Return the columns with the key as the database has it. One statement: at a handler's first call."""
    key = [column.name for column in table.primary_key]
    # A name in a parameter keeps its percent signs, which in the text of a statement are doubled.
    name = DIALECT.identifier_preparer.format_table(table).replace("%%", "%")
    types = {
        DIALECT.identifier_preparer.quote(column): (kind, collation)
        for column, kind, collation in connection.exec_driver_sql(_TYPES, (name, key))
    }
    return replace(source, columns=tuple(_as_stored(column, *types.get(column.name, ())) for column in source.columns))


def _as_stored(column: ColumnSource, *found: str | None) -> ColumnSource:
    if not found or column.sql_value != "{}":  # an array is sent as its text
        return column
    kind, collation = found
    # In the text of a statement percent signs are doubled; braces are, where it is formatted.
    sql_array = f"{(kind or '').replace('%', '%%')}[]"
    if collation is None:
        return replace(column, sql_array=sql_array)
    collation = collation.replace("%", "%%").replace("{", "{{").replace("}", "}}")
    return replace(column, sql_array=sql_array, sql_value=f"{{}} collate {collation}")
