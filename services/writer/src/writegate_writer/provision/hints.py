"""Hints of ``writegate plan``: what a service could declare to be applied faster. Not a difference. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from writegate import contract_of
from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.handlers.writes import Writes


def hints_of(services: Iterable[Writes], domains: Collection[DeclaredDomain]) -> tuple[str, ...]:
    """Return the services whose lanes might be applied in parallel, if they declared that keys own their rows.

    That is so when a row's primary key holds the key of the command that touches it: the key's fields, by their names,
    are part of the primary key of every table. Only a test can find out what the handlers really do.
    """
    sole_services = {domain.services[0] for domain in domains if len(domain.services) == 1}
    return tuple(
        f"{writes.service.name} could declare keys_own_rows, and have its {writes.service.lanes} lanes applied in "
        f"parallel: the primary keys of all its tables hold the key ({', '.join(fields)}). Check it with "
        "writegate_writer.testing.find_shared_rows"
        for writes in services
        if writes.service.lanes > 1 and not writes.service.keys_own_rows and writes.service.name in sole_services
        for fields in _owning(writes)
    )


def _owning(writes: Writes) -> Iterator[tuple[str, ...]]:
    """Yield the fields of the one key of all commands, if each table's primary key has them."""
    rules = {contract_of(command).key for command in writes.service.commands.values()}
    if len(rules) != 1 or not writes.tables:
        return
    [rule] = rules
    fields = (rule,) if isinstance(rule, str) else rule
    if isinstance(fields, tuple) and all(
        set(fields) <= {column.name for column in table.primary_key} for table in writes.tables
    ):
        yield fields
