"""A ready-made handler: one statement for each command type, whose text is fixed by table and contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from writegate import Command
from writegate_writer.handlers.rows.declining import Rounds
from writegate_writer.handlers.rows.key_types import Statements, with_key_types
from writegate_writer.handlers.rows.source import RowSource


@dataclass(frozen=True, slots=True)
class Once:
    """A statement that takes all commands of a call."""

    text: str
    source: RowSource

    def apply(self, connection: Connection, commands: Sequence[Any]) -> None:
        """Apply commands in arrival order."""
        connection.exec_driver_sql(self.text, self.source.arrays(commands))


class Handler:
    """What a function of this package returns. ``table``: the one that it changes.

    ``build`` makes the statement of a command type, ``sources`` says which fields fill which columns; both raise
    :class:`~writegate.errors.DeclarationError`.
    """

    def __init__(
        self,
        table: Table,
        build: Callable[[RowSource], Once | Rounds],
        sources: Callable[[type[Command]], RowSource],
    ) -> None:
        self.table = table
        self.tables = (table,)  # read by `Writes.add`
        self.sources = sources
        self._build = build
        # Which command it is for is known only at the first call; from then on the text is fixed.
        self._ready: dict[type[Command], Once | Rounds] = {}

    def __call__(self, connection: Connection, commands: Sequence[Any]) -> Mapping[str, Any] | None:
        """Apply commands of one type."""
        if not commands:
            return None
        kind = type(commands[0])
        if kind not in self._ready:
            self._ready[kind] = self._statement(connection, kind)
        return self._ready[kind].apply(connection, commands)

    def explain(self, connection: Statements, command: type[Command]) -> None:
        """Have the database plan the statement, without running it: it raises what it would raise for every command."""
        statement = self._statement(connection, command)
        connection.exec_driver_sql(f"explain {statement.text}", statement.source.arrays(()))

    def _statement(self, connection: Statements, command: type[Command]) -> Once | Rounds:
        return self._build(with_key_types(connection, self.table, self.sources(command)))
