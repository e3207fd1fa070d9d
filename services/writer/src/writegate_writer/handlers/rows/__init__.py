"""Ready-made set-based handlers: rows of one table from many commands, one statement a call.

::

    writes.add(RecordDeparture, rows.upsert(departure))
    writes.add(CountDeparture, rows.increment(airport_day, by={"departures": 1, "delay_minutes": "delay"}))

A column takes the command field of its own name, or the one that ``columns={"column": "field"}`` names for it; a column
that no field fills gets its default. None is SQL NULL, in a JSON column too.

Many commands become one array per column and one row set by ``unnest``. Commands of one primary key are folded there,
in arrival order and by the database's own notion of equality, which follows the type that the column has there (citext,
a scale, a collation) and not the one that the Table declares: an ``ON CONFLICT DO UPDATE`` may not touch a row twice.
Rows are written in the order of the primary key (of arrival, where existing rows are ignored).

So a constraint is checked against what the commands of a call leave together. A value that is overwritten within the
call, or a sum in between, is not checked. Where that matters, such as for a balance that may not fall below zero,
register a handler that gets one command at a time.

With ``decline_on`` or ``where`` a handler says no to commands, as :class:`~writegate_writer.Decline` does. Then each
command is judged by what those before it have left: see :mod:`writegate_writer.handlers.rows.declining`.

Every handler raises :class:`writegate.errors.DeclarationError` when command and table do not fit together (the
deployment's mistake), :class:`Reject` for a text that PostgreSQL cannot hold, and the database's own errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from sqlalchemy import Table

from writegate.errors import DeclarationError
from writegate_writer.handlers.rows import declining, statement
from writegate_writer.handlers.rows.declining import Rounds, Where
from writegate_writer.handlers.rows.handler import Handler, Once
from writegate_writer.handlers.rows.literal import array_literal, text_of
from writegate_writer.handlers.rows.source import RowSource, sources_of

__all__ = ["Handler", "array", "delete", "increment", "insert", "update", "upsert"]

Columns = Mapping[str, str] | None


def array(values: Iterable[object]) -> str:
    """Return ``values`` as the text of a PostgreSQL array, None as NULL: a parameter of your own set-based SQL.

    ``connection.exec_driver_sql("… from unnest(%s::int[])", (rows.array(command.id for command in commands),))``. A
    Python list would be sent as one expression for each element, which the server takes longer to parse. Raises
    :class:`TypeError` for a value that has no PostgreSQL text.
    """
    return array_literal(values, text_of)


def insert(
    table: Table,
    *,
    on_conflict: Literal["reject", "ignore"] = "reject",
    decline_on: Literal["conflict"] | None = None,
    reason: str | None = None,
    columns: Columns = None,
) -> Handler:
    """Insert a row a command. A row that exists rejects the command (23505), or is left as it is (``"ignore"``).

    With ``decline_on="conflict"`` a row that excludes the new one, by any constraint, declines the command, for
    ``reason``. Without a whole primary key among its columns that takes a statement for each command.
    """

    def build(source: RowSource) -> Once | Rounds:
        if decline_on is not None:
            return declining.insert(table, source, reason)
        return Once(statement.insert(table, source, ignore=on_conflict == "ignore"), source)

    if decline_on is not None and on_conflict != "reject":
        raise DeclarationError(f"insert into {table.fullname}: expected on_conflict or decline_on, not both")
    return Handler(table, build, lambda command: sources_of(table, command, columns))


def upsert(table: Table, *, where: Where | None = None, reason: str | None = None, columns: Columns = None) -> Handler:
    """Insert the row of a primary key or overwrite its mapped columns; of several commands the last one wins.

    With ``where`` a row that exists is overwritten if it meets the condition; else the command is declined.
    """

    def build(source: RowSource) -> Once | Rounds:
        if where is not None:
            return declining.upsert(table, source, where, reason)
        return Once(statement.upsert(table, source), source)

    return Handler(table, build, lambda command: sources_of(table, command, columns, need_key=True))


def update(table: Table, *, where: Where | None = None, reason: str | None = None, columns: Columns = None) -> Handler:
    """Overwrite the mapped columns of the row of a primary key; a row that does not exist stays so.

    With ``where`` the command is declined unless there is such a row and it meets the condition.
    """

    def build(source: RowSource) -> Once | Rounds:
        if where is not None:
            return declining.update(table, source, where, reason)
        return Once(statement.update(table, source), source)

    return Handler(table, build, lambda command: sources_of(table, command, columns, need_key=True))


def delete(table: Table, *, where: Where | None = None, reason: str | None = None, columns: Columns = None) -> Handler:
    """Delete the row of a primary key, if it exists.

    With ``where`` the command is declined unless there is such a row and it meets the condition.
    """

    def build(source: RowSource) -> Once | Rounds:
        if where is not None:
            return declining.delete(table, source, where, reason)
        return Once(statement.delete(table, source), source)

    return Handler(table, build, lambda command: sources_of(table, command, columns, need_key=True, only=()))


def increment(  # noqa: PLR0913  all but the first by name
    table: Table,
    *,
    by: Mapping[str, str | int],
    insert_missing: bool = True,
    where: Where | None = None,
    reason: str | None = None,
    columns: Columns = None,
) -> Handler:
    """Add to columns of the row of a primary key.

    ``by`` names for each column the field that holds the amount, or a whole number to add for each command. A missing
    row is inserted with the amounts, unless ``insert_missing`` is False. NULL counts as nothing, as in SQL's ``sum``.

    With ``where`` the command is declined unless there is such a row and it meets the condition: no row is inserted.
    """

    def build(source: RowSource) -> Once | Rounds:
        if where is not None:
            return declining.increment(table, source, tuple(by), where, reason)
        return Once(statement.increment(table, source, tuple(by), insert_missing=insert_missing), source)

    return Handler(
        table,
        build,
        lambda command: sources_of(table, command, {**(columns or {}), **by}, need_key=True, only=tuple(by)),
    )
