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
        f"insert into {_name(table)} ({_list(source.names)}) "
        f"select {_list(source.selected())} from {source.rows()} order by {order}"
        f"{' on conflict do nothing' if ignore else ''}"
    )


def upsert(table: Table, source: RowSource) -> str:
    """Return the INSERT that overwrites, with the last command of each key."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in source.values)
    return (
        f"insert into {_name(table)} ({_list(source.names)}) {_last_of_key(source)} "
        f"on conflict ({_list(source.key)}) do {'update set ' + changes if changes else 'nothing'}"
    )


def update(table: Table, source: RowSource) -> str:
    """Return the UPDATE, with the last command of each key. Raises :class:`DeclarationError` with nothing to set."""
    if not source.values:
        raise DeclarationError(f"update of {table.fullname}: no field fills a column beside its primary key")
    changes = ", ".join(f"{name} = folded.{name}" for name in source.values)
    return f"update {_name(table)} as t set {changes} from ({_last_of_key(source)}) as folded where {_same_key(source)}"


def delete(table: Table, source: RowSource) -> str:
    """Return the DELETE of every key."""
    return f"delete from {_name(table)} as t using ({_last_of_key(source)}) as folded where {_same_key(source)}"


def increment(table: Table, source: RowSource, by: tuple[str, ...], *, insert_missing: bool) -> str:
    """Return the statement that adds up the amounts of each key."""
    added = tuple(_quote(name) for name in by)
    key = _list(source.key)
    sums = (
        f"select {_list((*source.key, *(f'sum({name}) as {name}' for name in added)))} "
        f"from (select {_list(source.selected())} from {source.rows()}) as s group by {key} order by {key}"
    )
    if insert_missing:
        return (
            f"insert into {_name(table)} as t ({_list((*source.key, *added))}) {sums} "
            f"on conflict ({key}) do update set {_additions(added, 'excluded')}"
        )
    changes = _additions(added, "folded")
    return f"update {_name(table)} as t set {changes} from ({sums}) as folded where {_same_key(source)}"


def _additions(names: tuple[str, ...], row: str) -> str:
    # Each side may be NULL: nothing there yet, or nothing to add.
    return ", ".join(f"{name} = coalesce(t.{name} + {row}.{name}, t.{name}, {row}.{name})" for name in names)


def _last_of_key(source: RowSource) -> str:
    key = _list(source.key)
    order = ", ".join((*source.key, f"{ARRIVAL} desc"))
    return f"select distinct on ({key}) {_list(source.selected())} from {source.rows()} order by {order}"


def _same_key(source: RowSource) -> str:
    return " and ".join(f"t.{name} = folded.{name}" for name in source.key)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _name(table: Table) -> str:
    return DIALECT.identifier_preparer.format_table(table)
