"""Which command field fills which column, and its values as one array literal for each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.dialects.postgresql import psycopg2

from writegate import Command
from writegate.errors import DeclarationError
from writegate_writer.errors import Reject
from writegate_writer.handlers.rows.literal import (
    Encode,
    NaiveMomentError,
    array_literal,
    array_type,
    encoder,
    scalar_cast,
)

DIALECT: Dialect = psycopg2.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy left this constructor untyped
ARRIVAL = '"#"'  # a column name that no table has
_quote = DIALECT.identifier_preparer.quote


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """One column: the field that fills it, or a constant, and how its values are sent. ``name`` is quoted."""

    column: Column[Any]
    name: str
    field: str | int
    sql_array: str
    sql_value: str
    encode: Encode

    def literal(self, commands: Sequence[Command]) -> str:
        """Return the column's values, one for each command, as the text of a PostgreSQL array."""
        if isinstance(self.field, int):
            return array_literal([self.field] * len(commands), self.encode)
        try:
            return array_literal(map(attrgetter(self.field), commands), self.encode)
        except TypeError as error:
            raise TypeError(f"column {self.name} from field {self.field}: {error}") from error


@dataclass(frozen=True, slots=True)
class RowSource:
    """The columns that a command type fills, primary key first. Identifiers in here are quoted already."""

    columns: tuple[ColumnSource, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every filled column."""
        return tuple(column.name for column in self.columns)

    @property
    def values(self) -> tuple[str, ...]:
        """The filled columns that are not part of the primary key."""
        return tuple(name for name in self.names if name not in self.key)

    def rows(self) -> str:
        """Return the FROM item ``s``: a row for each command, with its place in the order of arrival."""
        arrays = ", ".join(f"%s::{column.sql_array}" for column in self.columns)
        return f"unnest({arrays}) with ordinality as s ({', '.join(self.names)}, {ARRIVAL})"

    def selected(self) -> tuple[str, ...]:
        """Return an expression over ``s`` for each column, of the column's type."""
        return tuple(f"{column.sql_value.format('s.' + column.name)} as {column.name}" for column in self.columns)

    def arrays(self, commands: Sequence[Command]) -> tuple[str, ...]:
        """Return the parameters: one array literal for each column.

        Raises :class:`Reject` for commands with a NUL in a text, which PostgreSQL does not store, and for those with
        a moment without zone for a column with one.
        """
        try:
            literals = tuple(column.literal(commands) for column in self.columns)
        except NaiveMomentError:
            raise Reject(self._with_naive_moments(commands)) from None
        if any("\0" in literal for literal in literals):
            raise Reject(self._with_nul(commands))
        return literals

    def _with_naive_moments(self, commands: Sequence[Command]) -> dict[str, str]:
        found: dict[str, str] = {}
        for column in self.columns:
            for command in commands:
                try:
                    column.literal([command])
                except NaiveMomentError as error:
                    found[command.command_id] = f"column {column.name}: {error}: declare its field as AwareDatetime"
        return found

    def _with_nul(self, commands: Sequence[Command]) -> dict[str, str]:
        return {
            command.command_id: f"column {column.name}: a text with a NUL character, which PostgreSQL cannot hold"
            for column in self.columns
            for command in commands
            if "\0" in column.literal([command])
        }


def sources_of(
    table: Table,
    command: type[Command],
    columns: Mapping[str, str | int] | None,
    *,
    need_key: bool = False,
    only: tuple[str, ...] | None = None,
) -> RowSource:
    """Return which fields of ``command`` fill which columns of ``table``.

    ``columns`` overrides the rule "the field of the same name". ``only`` limits the columns beside the primary key.
    Raises :class:`DeclarationError` when a name is wrong, or the primary key is needed and not filled.
    """
    wanted = dict(columns or {})
    _check_names(table, command, wanted)
    key = [column.name for column in table.primary_key]
    if need_key and not key:
        raise DeclarationError(f"table {table.fullname} has no primary key: declare one, or write your own handler")
    filled: dict[str, ColumnSource] = {}
    for column in sorted(table.columns, key=lambda column: not column.primary_key):
        field = wanted.get(column.name, column.name)
        by_name = column.name in command.model_fields and column.computed is None
        if column.name not in wanted and not by_name:
            continue
        if only is None or column.primary_key or column.name in only:
            filled[column.name] = _source(column, field)
    missing = [name for name in key if name not in filled]
    if missing and need_key:
        raise DeclarationError(
            f"{command.__name__} fills no primary key column {missing[0]!r} of {table.fullname}: "
            f"expected a field of that name, or columns={{{missing[0]!r}: FIELD}}"
        )
    if not filled:
        raise DeclarationError(f"{command.__name__} has no field that is a column of {table.fullname}")
    return RowSource(tuple(filled.values()), tuple(_quote(name) for name in key if name in filled))


def _check_names(table: Table, command: type[Command], wanted: Mapping[str, str | int]) -> None:
    for name, field in wanted.items():
        if name not in table.columns:
            raise DeclarationError(
                f"table {table.fullname} has no column {name!r}: it has {', '.join(table.columns.keys())}"
            )
        if isinstance(field, str) and field not in command.model_fields:
            raise DeclarationError(
                f"{command.__name__} has no field {field!r} for column {name}: it has {', '.join(command.model_fields)}"
            )


def _source(column: Column[Any], field: str | int) -> ColumnSource:
    return ColumnSource(
        column=column,
        name=_quote(column.name),
        field=field,
        sql_array=array_type(column.type, DIALECT),
        sql_value=scalar_cast(column.type, DIALECT),
        encode=encoder(column.type, DIALECT),
    )
