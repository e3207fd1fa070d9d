"""What a service could declare, as far as its declarations tell. Nothing here differs from anything. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from writegate import contract_of
from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.handlers.writes import Writes


def hints_of(services: Iterable[Writes], domains: Collection[DeclaredDomain]) -> tuple[str, ...]:
    """Return the services whose lanes might be applied in parallel, if they said that keys own their rows.

    That is so when a row's primary key holds the key of the command that touches it: the key's fields, by their names,
    are part of the primary key of every table. What the handlers really do, only a test can find out.
    """
    alone = {domain.services[0] for domain in domains if len(domain.services) == 1}
    return tuple(
        f"{writes.service.name} could declare keys_own_rows, and have its {writes.service.lanes} lanes applied in "
        f"parallel: the primary keys of all its tables hold the key ({', '.join(fields)}). Check it with "
        "writegate_writer.testing.find_shared_rows"
        for writes in services
        if writes.service.lanes > 1 and not writes.service.keys_own_rows and writes.service.name in alone
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
