"""Ready-made handlers that say no: to a row that exists already, or to one that does not meet a condition.

Here commands of one primary key are not folded: each is judged by what those before it have left. So they are applied
in rounds, in none of which a key comes twice, and each of which is one statement. A round takes the first command of
every key that is left. A round of inserts takes commands up to the first whose key comes again, since another
constraint may set commands of different keys against each other: they keep the order of arrival. The statement also
says which of its commands changed a row; the others are declined, and there is nothing of them to undo.

The database's own notion of equality decides what a key is, as in the other handlers.
"""

# ruff: noqa: S608  every name below was quoted by the dialect and every value is a parameter or a rendered literal

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.sql.expression import FromClause

from writegate.errors import DeclarationError
from writegate_writer.handlers.declining import Untouched
from writegate_writer.handlers.rows import statement
from writegate_writer.handlers.rows.source import ARRIVAL, DIALECT, RowSource

_NEVER = 2**31  # no batch has so many commands

Where = Callable[[Any, Any], ColumnElement[bool]]
"""``where(row, given)``: what must hold for the row as it stands, and for what a command gives its columns.

``given`` has the columns that the handler fills: a delete has the primary key only.
"""


@dataclass(frozen=True, slots=True)
class Rounds:
    """A statement for one round, and how its answers are read. ``by_key``: without, a round takes a single command."""

    text: str
    source: RowSource
    by_key: bool
    reason: str

    def apply(self, connection: Connection, commands: Sequence[Any]) -> dict[str, Untouched]:
        """Apply commands in arrival order; return the answers to those that were declined."""
        declined: dict[str, Untouched] = {}
        left = list(commands)
        while left:
            page = left if self.by_key else left[:1]
            changed: dict[int, bool] = dict(iter(connection.exec_driver_sql(self.text, self.source.arrays(page))))
            for number, command in enumerate(page, 1):
                if changed.get(number) is False:
                    declined[command.command_id] = Untouched(self.reason)
            left = [command for number, command in enumerate(page, 1) if number not in changed] + left[len(page) :]
        return declined


def insert(table: Table, source: RowSource, reason: str | None) -> Rounds:
    """Return the rounds of an INSERT that declines what any constraint excludes."""
    rows = statement.columns(source.names)
    write = (
        f"insert into {statement.name(table)} as t ({rows}) select {rows} from first order by {ARRIVAL} "
        "on conflict do nothing"
    )
    key = statement.columns(source.key)
    counted = f'select {ARRIVAL}, row_number() over (partition by {key} order by {ARRIVAL}) as "##" from given'
    repeated = f'select min({ARRIVAL}) from ({counted}) as counted where "##" > 1'
    first = f"select * from given where {ARRIVAL} < coalesce(({repeated}), {_NEVER})"
    return _rounds(table, source, first, write, reason or f"{table.fullname} has a row that excludes it")


def upsert(table: Table, source: RowSource, where: Where, reason: str | None) -> Rounds:
    """Return the rounds of an INSERT that overwrites a row which meets the condition."""
    if not source.values:
        raise DeclarationError(f"upsert of {table.fullname}: no field fills a column beside its primary key")
    rows, key = statement.columns(source.names), statement.columns(source.key)
    write = (
        f"insert into {statement.name(table)} as t ({rows}) select {rows} from first order by {key} "
        f"on conflict ({key}) do update set {statement.assignments(source.values, 'excluded')} "
        f"where {_condition(table, where, 'excluded')}"
    )
    return _rounds(table, source, _of_every_key(source), write, reason or _unmet(table))


def update(table: Table, source: RowSource, where: Where, reason: str | None) -> Rounds:
    """Return the rounds of an UPDATE of rows that are there and meet the condition."""
    if not source.values:
        raise DeclarationError(f"update of {table.fullname}: no field fills a column beside its primary key")
    changes = statement.assignments(source.values, "first")
    write = _update(table, source, changes, where)
    return _rounds(table, source, _of_every_key(source), write, reason or _unmet(table))


def increment(table: Table, source: RowSource, by: tuple[str, ...], where: Where, reason: str | None) -> Rounds:
    """Return the rounds of an UPDATE that adds to rows that are there and meet the condition."""
    write = _update(table, source, statement.additions(by, "first"), where)
    return _rounds(table, source, _of_every_key(source), write, reason or _unmet(table))


def delete(table: Table, source: RowSource, where: Where, reason: str | None) -> Rounds:
    """Return the rounds of a DELETE of rows that are there and meet the condition."""
    write = (
        f"delete from {statement.name(table)} as t using first "
        f"where {statement.same_key(source, 'first')} and {_condition(table, where, 'first')}"
    )
    return _rounds(table, source, _of_every_key(source), write, reason or _unmet(table))


def _of_every_key(source: RowSource) -> str:
    key = statement.columns(source.key)
    return f"select distinct on ({key}) * from given order by {key}, {ARRIVAL}"


def _update(table: Table, source: RowSource, changes: str, where: Where) -> str:
    return (
        f"update {statement.name(table)} as t set {changes} from first "
        f"where {statement.same_key(source, 'first')} and {_condition(table, where, 'first')}"
    )


def _rounds(table: Table, source: RowSource, first: str, write: str, reason: str) -> Rounds:
    by_key = 0 < len(source.key) == len(table.primary_key)
    selected = statement.columns((*source.selected(), ARRIVAL))
    if not by_key:
        first = "select * from given"  # of a single command
    same = " and ".join(f"changed.{name} = first.{name}" for name in source.key) if by_key else "true"
    text = (
        f"with given as (select {selected} from {source.rows()}), first as ({first}), "
        f"changed as ({write} returning {statement.columns(tuple(f't.{name}' for name in source.key)) or '1'}) "
        f"select {ARRIVAL}, exists (select from changed where {same}) from first"
    )
    return Rounds(text, source, by_key, reason)


def _condition(table: Table, where: Where, given: str) -> str:
    condition = where(_row(table, "t").c, _row(table, given).c)
    compiled = condition.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})
    return f"({compiled})"


def _row(table: Table, name: str) -> FromClause:
    return table.alias(name)


def _unmet(table: Table) -> str:
    return f"no row of {table.fullname} meets the condition"
