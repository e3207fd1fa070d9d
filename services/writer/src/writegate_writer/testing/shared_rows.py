"""For a service's own tests: does each key own its rows, as ``Service(keys_own_rows=True)`` declares?

::

    def test_keys_own_their_rows(engine: Engine) -> None:
        assert find_shared_rows(engine, writes, [observe("EWR"), observe("JFK")]) == []

When that is declared and not so, two writers change the same rows at once: totals stay right, since PostgreSQL locks
them, but writers wait for each other and deadlock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text

from writegate import Command, contract_of, key_of
from writegate.errors import DeclarationError
from writegate_writer.handlers.domains import table_name
from writegate_writer.handlers.emit import collecting
from writegate_writer.handlers.writes import Writes

# What a row is known by: table, the columns of one of its unique indexes, and their values as JSON.
_Identity = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SharedRow:
    """A row that commands of two keys touched: inserted, changed, deleted or locked. ``row``: what it is known by."""

    table: str
    row: tuple[tuple[str, str], ...]
    first: Command
    second: Command

    def __str__(self) -> str:
        row = ", ".join(f"{column} = {value}" for column, value in self.row)
        commands = " and ".join(
            f"{contract_of(command).task} of key {key_of(command)!r}: {command!r}"
            for command in (self.first, self.second)
        )
        return f"{self.table} ({row}) is touched by {commands}"


def find_shared_rows(engine: Engine, writes: Writes, commands: Sequence[Command]) -> list[SharedRow]:
    """Apply commands through their handlers and return the rows that two keys touched, in the order in which they did.

    Each key's commands are applied in order in a transaction of their own, which is rolled back: the database stays as
    it is. It is a test's database, by a role that owns the tables, with some hundred rows and nobody else in it. The
    commands must be such that their handlers take them, also one at a time; what a handler raises is raised. Raises
    :class:`DeclarationError` for a table without a unique index: its rows cannot be distinguished.
    """
    of_key: dict[str | None, list[Command]] = {}
    for command in commands:
        of_key.setdefault(key_of(command), []).append(command)
    first: dict[_Identity, Command] = {}
    shared: dict[_Identity, SharedRow] = {}
    with engine.connect() as applying, engine.connect() as observing:
        unique = {table_name(table): _unique_indexes(observing, table) for table in writes.tables}
        for own in of_key.values():
            touched: dict[_Identity, Command] = {}
            for command, identity in _touched(applying, observing, writes, unique, own):
                touched.setdefault(identity, command)
            for identity, command in touched.items():
                if identity in first and identity not in shared:
                    table, columns, values = identity
                    row = tuple(zip(columns, values, strict=True))
                    shared[identity] = SharedRow(table, row, first[identity], command)
                first.setdefault(identity, command)
    return list(shared.values())


_UNIQUE = """
SELECT array(SELECT attname::text FROM unnest(indkey) WITH ORDINALITY AS part (number, position)
             JOIN pg_attribute ON attrelid = indrelid AND attnum = number ORDER BY position)
FROM pg_index
WHERE indrelid = CAST(:table AS regclass) AND indisunique AND indpred IS NULL AND indexprs IS NULL
ORDER BY NOT indisprimary, indexrelid
"""


def _unique_indexes(connection: Connection, table: Table) -> list[tuple[str, ...]]:
    found = [tuple(columns) for (columns,) in connection.execute(text(_UNIQUE), {"table": _quoted(table)})]
    connection.rollback()
    if not found:
        raise DeclarationError(f"{table_name(table)} has no primary key: its rows cannot be distinguished")
    return found


# Both end with the transaction. The trigger records rows that are written, also those that are deleted afterwards.
_NOTES = """
CREATE TEMPORARY TABLE touched (in_table text, before jsonb, after jsonb) ON COMMIT DROP;
CREATE FUNCTION pg_temp.note_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_temp.touched VALUES (tg_argv[0], to_jsonb(old), to_jsonb(new));
    RETURN NULL;
END $$
"""
_TRIGGER = """
CREATE TRIGGER note_touched AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW
EXECUTE FUNCTION pg_temp.note_touched('{name}')
"""
_TAKE = "WITH taken AS (DELETE FROM pg_temp.touched RETURNING *) SELECT in_table, before, after FROM taken"
# Rows that another session could not change now. A foreign key's lock on its parent is none of these: two can have it.
_LOCKED = """
SELECT to_jsonb(one) FROM {table} AS one WHERE ctid <> ALL (ARRAY(
    SELECT ctid FROM {table} FOR NO KEY UPDATE SKIP LOCKED))
"""


def _touched(
    applying: Connection,
    observing: Connection,
    writes: Writes,
    unique: dict[str, list[tuple[str, ...]]],
    commands: Sequence[Command],
) -> Iterator[tuple[Command, _Identity]]:
    """Apply a key's commands one after the other; yield what each has touched that the ones before it had not."""
    try:
        applying.exec_driver_sql(_NOTES)
        for table in writes.tables:
            applying.exec_driver_sql(_TRIGGER.format(table=_quoted(table), name=table_name(table).replace("'", "''")))
        for command in commands:
            with collecting():
                writes.handlers[contract_of(command).task](applying, [command])
            for name, before, after in applying.exec_driver_sql(_TAKE).all():
                for row in filter(None, (before, after)):
                    yield from ((command, identity) for identity in _identities(name, unique[name], row))
            for table in writes.tables:
                locked = observing.exec_driver_sql(_LOCKED.format(table=_quoted(table))).scalars().all()
                observing.rollback()
                for row in locked:
                    name = table_name(table)
                    yield from ((command, identity) for identity in _identities(name, unique[name], row))
    finally:
        applying.rollback()


def _identities(table: str, unique: Sequence[tuple[str, ...]], row: dict[str, object]) -> Iterator[_Identity]:
    for columns in unique:
        values = [row[column] for column in columns]
        if None not in values:  # NULLs differ from each other
            yield table, columns, tuple(json.dumps(value, ensure_ascii=False, sort_keys=True) for value in values)


def _quoted(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table_name(table).split(".", 1))
