"""Domains as services declare them: the lanes that may touch the same rows, applied one batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Table

from writegate_writer.handlers.writes import Writes


@dataclass(frozen=True, slots=True)
class DeclaredDomain:
    """Lanes that form one domain, and why.

    ``lanes``: (service, lane) pairs. ``tables``: ``schema.table``, sorted. ``reason``: a text shown to people.
    """

    name: str
    lanes: tuple[tuple[str, int], ...]
    tables: tuple[str, ...]
    reason: str

    @property
    def services(self) -> tuple[str, ...]:
        """The services that its lanes belong to, sorted."""
        return tuple(sorted({service for service, _ in self.lanes}))


def table_name(table: Table) -> str:
    """Return ``schema.table``, with the schema that PostgreSQL uses when none is declared."""
    return f"{table.schema or 'public'}.{table.name}"


def tables_by_task(writes: Writes) -> dict[str, tuple[str, ...]]:
    """Return the tables that each command type's handler changes."""
    return {task: tuple(map(table_name, writes.tables_of(task))) for task in writes.handlers}


def domains_of(services: Iterable[Writes]) -> tuple[DeclaredDomain, ...]:
    """Return the domains of a set of services, sorted by their lanes."""
    found: list[DeclaredDomain] = []
    for group in _sharing(list(services)):
        found += _domains(group)
    return tuple(sorted(found, key=lambda domain: domain.lanes))


def _domains(group: Sequence[Writes]) -> list[DeclaredDomain]:
    tables = tuple(sorted({table_name(table) for writes in group for table in writes.tables}))
    lanes = tuple((writes.service.name, lane) for writes in group for lane in range(writes.service.lanes))
    names = [writes.service.name for writes in group]
    if len(group) > 1:
        owners = {table: [writes for writes in group if table in map(table_name, writes.tables)] for table in tables}
        shared = [table for table in tables if len(owners[table]) > 1]
        return [DeclaredDomain("+".join(names), lanes, tables, f"{' and '.join(names)} share {', '.join(shared)}")]
    if group[0].service.keys_own_rows:
        reason = f"{names[0]} declares that keys own their rows: its lanes never touch the same one"
        return [DeclaredDomain(f"{service}.{lane}", ((service, lane),), tables, reason) for service, lane in lanes]
    return [DeclaredDomain(names[0], lanes, tables, f"no other service writes the tables of {names[0]}")]


def _sharing(services: Sequence[Writes]) -> list[list[Writes]]:
    """Group the services that share a table, directly or through others (union-find)."""
    parent = list(range(len(services)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    first_of_table: dict[str, int] = {}
    for index, writes in enumerate(services):
        for table in writes.tables:
            parent[root(index)] = root(first_of_table.setdefault(table_name(table), index))
    groups: dict[int, list[Writes]] = {}
    for index, writes in enumerate(services):
        groups.setdefault(root(index), []).append(writes)
    return [sorted(group, key=lambda writes: writes.service.name) for group in groups.values()]
