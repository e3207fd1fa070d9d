"""Services that broker or database know and that are not installed here: deleted ones, and those of others. Pure.

Which of the two one is only people know, so that nothing is changed: `plan` shows them, and `writegate service remove`
takes away the one that it is told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from writegate.contract.service import RESERVED_NAMES
from writegate.message.topology import exchange_name
from writegate_writer.handlers.roles import user_of
from writegate_writer.provision.broker_diff import BrokerState, publisher_permission
from writegate_writer.provision.database_diff import DatabaseState

_EXCHANGE = re.compile(rf"{re.escape(exchange_name(''))}([a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A service, and what there is of it."""

    service: str
    parts: tuple[str, ...]


def orphans(installed: Collection[str], at_database: DatabaseState, at_broker: BrokerState) -> tuple[Orphan, ...]:
    """Return the services of which something is there, though they are not among the installed ones.

    What their migrations made, and the record of them, is theirs, and no sign of a service that still exists.
    """
    known = {name for name, _ in at_database.lanes} | set(at_database.recorded)
    known |= {found[1] for name in at_broker.exchanges if (found := _EXCHANGE.fullmatch(name))}
    names = sorted(known - set(installed) - RESERVED_NAMES)
    return tuple(Orphan(name, tuple(_parts(name, at_database, at_broker))) for name in names)


def queues_of(service: str, at_broker: BrokerState) -> list[str]:
    """Return the queues of a service, lanes and the dead-letter queue."""
    return sorted(name for name in at_broker.queues if name.startswith(f"{exchange_name(service)}."))


def _parts(name: str, at_database: DatabaseState, at_broker: BrokerState) -> Iterator[str]:
    if at_broker.users.get(user_of(name)) == publisher_permission(name):
        yield f"the broker user {user_of(name)}, who may publish"
    if exchange_name(name) in at_broker.exchanges:
        yield f"the exchange {exchange_name(name)}"
    if queues := queues_of(name, at_broker):
        yield f"{len(queues)} queue(s)"
    if lanes := [lane for service, lane in at_database.lanes if service == name]:
        yield f"{len(lanes)} lane(s) in the database"
    if name in at_database.recorded:
        yield "its record in writegate.service"
