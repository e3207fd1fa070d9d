"""The declaration in a service's ``writes.py``: how its commands are applied.

::

    writes = Writes(flights, tables=[departure, airport_day])

    @writes.handler(RecordDeparture)
    def record_departure(connection: Connection, commands: Sequence[RecordDeparture]) -> None:
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from writegate import Command, Service, contract_of
from writegate.errors import DeclarationError
from writegate_writer.handlers.one_by_one import OneByOne

C = TypeVar("C", bound=Command)
Results = Mapping[str, Any] | None
ManyHandler = Callable[[Connection, Sequence[C]], Results]
OneHandler = Callable[[Connection, C], Any]


class Writes:
    """How one service's commands are applied: its tables, and a handler for each command type.

    ``tables``: every table the handlers change. The writer's role for this service gets rights on these and no
    others, and services that name the same table are applied as one domain. ``migrations``: the folder of ``.sql``
    files, by default ``migrations/`` in the package or beside its ``src/``.
    """

    def __init__(self, service: Service, *, tables: Iterable[Table], migrations: Path | None = None) -> None:
        self.service = service
        self.tables = tuple(tables)
        self.migrations = migrations
        self.handlers: dict[str, ManyHandler[Any]] = {}
        self._tables: dict[str, tuple[Table, ...]] = {}

    def handler(
        self, command: type[C], *, tables: Iterable[Table] | None = None
    ) -> Callable[[ManyHandler[C]], ManyHandler[C]]:
        """Register a handler that gets many commands at once, in arrival order; a key may occur more than once.

        It may return ``{command_id: result}`` with results of at most 1 KiB of JSON each, for the receipts. ``tables``:
        the tables that it changes, by default all of the service; a hold on a table stops the command types that
        change it.
        """

        def register(function: ManyHandler[C]) -> ManyHandler[C]:
            self.add(command, function, tables=tables)
            return function

        return register

    def each(
        self, command: type[C], *, tables: Iterable[Table] | None = None
    ) -> Callable[[OneHandler[C]], OneHandler[C]]:
        """Register a handler that gets one command at a time, for what need not be fast. It returns the result.

        It may raise :class:`Decline` at any moment: nothing of that command is kept.
        """

        def register(function: OneHandler[C]) -> OneHandler[C]:
            self.add(command, OneByOne(function), tables=tables)
            return function

        return register

    def add(self, command: type[C], function: ManyHandler[C], *, tables: Iterable[Table] | None = None) -> None:
        """Register a ready-made handler, such as ``rows.upsert(table)``, which names its table itself.

        Raises :class:`DeclarationError` for a command or a table of another service, and for a second handler.
        """
        task = contract_of(command).task
        if task not in self.service.commands:
            raise DeclarationError(f"{task} is not a command of service {self.service.name}")
        if task in self.handlers:
            raise DeclarationError(f"{task} has a handler already: one command type, one handler")
        changed = tuple(tables if tables is not None else getattr(function, "tables", self.tables))
        if strange := [table.name for table in changed if table not in self.tables]:
            raise DeclarationError(f"{task} changes {strange[0]}, which is no table of service {self.service.name}")
        self.handlers[task] = function
        self._tables[task] = changed

    def tables_of(self, task: str) -> tuple[Table, ...]:
        """Return the tables that a command type's handler changes."""
        return self._tables[task]

    def check(self) -> None:
        """Raise :class:`DeclarationError` when a command of the service has no handler."""
        if missing := sorted(set(self.service.commands) - set(self.handlers)):
            raise DeclarationError(f"service {self.service.name}: no handler for {', '.join(missing)}")
