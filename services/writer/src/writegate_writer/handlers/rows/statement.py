"""The SQL of the ready-made handlers, from quoted identifiers. ``s`` is always the row set of the commands."""

# ruff: noqa: S608  every name below was quoted by the dialect and every value is a parameter

from __future__ import annotations

from sqlalchemy import Table

from writegate.errors import DeclarationError
from writegate_writer.handlers.rows.source import ARRIVAL, DIALECT, RowSource

_quote = DIALECT.identifier_preparer.quote


def insert(table: Table, source: RowSource, *, ignore: bool) -> str:
    """Return the INSERT of a row for each command, in the order of the key and then of arrival."""
    # Of rows that exclude each other by any constraint, the first to arrive is kept.
    order = ARRIVAL if ignore else ", ".join((*source.key, ARRIVAL))
    return (
        f"insert into {name(table)} ({columns(source.names)}) "
        f"select {columns(source.selected())} from {source.rows()} order by {order}"
        f"{' on conflict do nothing' if ignore else ''}"
    )


def upsert(table: Table, source: RowSource) -> str:
    """Return the INSERT that overwrites, with the last command of each key."""
    changes = assignments(source.values, "excluded")
    return (
        f"insert into {name(table)} ({columns(source.names)}) {_last_of_key(source)} "
        f"on conflict ({columns(source.key)}) do {'update set ' + changes if changes else 'nothing'}"
    )


def update(table: Table, source: RowSource) -> str:
    """Return the UPDATE, with the last command of each key. Raises :class:`DeclarationError` with nothing to set."""
    if not source.values:
        raise DeclarationError(f"update of {table.fullname}: no field fills a column beside its primary key")
    changes = assignments(source.values, "folded")
    key = same_key(source, "folded")
    return f"update {name(table)} as t set {changes} from ({_last_of_key(source)}) as folded where {key}"


def delete(table: Table, source: RowSource) -> str:
    """Return the DELETE of every key."""
    return f"delete from {name(table)} as t using ({_last_of_key(source)}) as folded where {same_key(source, 'folded')}"


def increment(table: Table, source: RowSource, by: tuple[str, ...], *, insert_missing: bool) -> str:
    """Return the statement that adds up the amounts of each key."""
    added = tuple(_quote(name) for name in by)
    key = columns(source.key)
    sums = (
        f"select {columns((*source.key, *(f'sum({name}) as {name}' for name in added)))} "
        f"from (select {columns(source.selected())} from {source.rows()}) as s group by {key} order by {key}"
    )
    if insert_missing:
        return (
            f"insert into {name(table)} as t ({columns((*source.key, *added))}) {sums} "
            f"on conflict ({key}) do update set {additions(by, 'excluded')}"
        )
    changes = additions(by, "folded")
    return f"update {name(table)} as t set {changes} from ({sums}) as folded where {same_key(source, 'folded')}"


def additions(by: tuple[str, ...], row: str) -> str:
    """Return what an UPDATE sets to add columns, not quoted yet, of ``row`` to those of ``t``."""
    # Each side may be NULL: nothing there yet, or nothing to add.
    names = map(_quote, by)
    return columns(tuple(f"{name} = coalesce(t.{name} + {row}.{name}, t.{name}, {row}.{name})" for name in names))


def assignments(names: tuple[str, ...], row: str) -> str:
    """Return what an UPDATE sets to overwrite columns with those of ``row``."""
    return columns(tuple(f"{name} = {row}.{name}" for name in names))


def _last_of_key(source: RowSource) -> str:
    key = columns(source.key)
    order = ", ".join((*source.key, f"{ARRIVAL} desc"))
    return f"select distinct on ({key}) {columns(source.selected())} from {source.rows()} order by {order}"


def same_key(source: RowSource, row: str) -> str:
    """Return the condition that ``t`` and ``row`` have the same primary key."""
    return " and ".join(f"t.{name} = {row}.{name}" for name in source.key)


def columns(names: tuple[str, ...]) -> str:
    """Return a list of columns or expressions."""
    return ", ".join(names)


def name(table: Table) -> str:
    """Return the table's name with its schema."""
    return DIALECT.identifier_preparer.format_table(table)
