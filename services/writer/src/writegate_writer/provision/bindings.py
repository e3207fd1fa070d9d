"""What ready-made handlers bind to a table, and what of it does not fit: found before a command arrives.

Whatever is named here would hold its command type, park some of its commands or store another value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from writegate import Command
from writegate.errors import DeclarationError
from writegate_writer.handlers.domains import table_name
from writegate_writer.handlers.rows.fitting import Misfit, StoredColumn, misfits
from writegate_writer.handlers.rows.handler import Handler
from writegate_writer.handlers.writes import Writes
from writegate_writer.provision.change import Change

Columns = Mapping[str, Mapping[str, StoredColumn]]
Refusal = Callable[[Handler, type[Command]], str | None]


@dataclass(frozen=True, slots=True)
class Bindings:
    """What does not fit: refused, for a person to change; and hints at what is stored with a loss."""

    refused: tuple[Change, ...]
    hints: tuple[str, ...]


def bound_tables(services: Iterable[Writes]) -> set[str]:
    """Return the tables that ready-made handlers write, ``schema.name``."""
    return {table_name(handler.table) for _, _, handler in _bound(services)}


def check_bindings(services: Iterable[Writes], columns: Columns, refusal: Refusal) -> Bindings:
    """Compare each command that has a ready-made handler with its table.

    ``columns``: of the tables that are there; one that is not has a finding of its own. ``refusal``: what the database
    says to the handler's statement.
    """
    refused: list[Change] = []
    hints: list[str] = []
    for task, command, handler in _bound(services):
        table = table_name(handler.table)
        if table not in columns:
            continue
        try:
            source = handler.sources(command)
            found = list(misfits(command, source, columns[table]))
            told = refusal(handler, command) if not any(not misfit.loses for misfit in found) else None
        except DeclarationError as error:
            refused.append(Change("refused", "command", task, str(error)))
            continue
        for misfit in found:
            if misfit.loses:
                hints.append(f"{task}.{misfit.field}: {_of(table, misfit)}")
            else:
                refused.append(Change("refused", "field", f"{task}.{misfit.field}", _of(table, misfit)))
        if told is not None:
            refused.append(
                Change("refused", "command", task, f"{table} does not take the statement of its handler: {told}")
            )
    return Bindings(tuple(refused), tuple(hints))


def _of(table: str, misfit: Misfit) -> str:
    return f"{misfit.text} (of {table})"


def _bound(services: Iterable[Writes]) -> Iterable[tuple[str, type[Command], Handler]]:
    for writes in services:
        for task, handler in writes.handlers.items():
            if isinstance(handler, Handler):
                yield task, writes.service.commands[task], handler
