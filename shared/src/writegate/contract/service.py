"""Services: each owns commands, tables and one route."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar

from writegate.contract.command import Command, bind
from writegate.errors import DeclarationError

RESERVED_NAMES = frozenset({"writegate", "dead", "any"})
_DECLARED: dict[str, int] = {}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # also a role and a queue name: PostgreSQL cuts names at 63 bytes


def declared_lanes() -> dict[str, int]:
    """Return the number of lanes by service name, for the services that this process has declared or imported."""
    return dict(_DECLARED)


class Service:
    """The declaration of a service: its name, its commands and how they may be spread.

    ``lanes``: the number of FIFO queues over which its keys are spread. ``keys_own_rows``: no row is touched by
    commands of two different keys, so that lanes may be applied in parallel. ``retention``: for how long a duplicate is
    recognised, in whole days. ``max_waiting`` (messages) and ``max_waiting_bytes`` limit each lane's queue; beyond them
    the broker refuses new messages and drops none. ``require_user_id``: a message without the property ``user_id``,
    which the broker compares with the log-in, is parked. ``max_connections`` and ``max_channels`` (of all connections
    together) limit the service's broker user; beyond them the broker refuses further ones, and publishers spool.

    Raises :class:`~writegate.errors.DeclarationError` when the declaration cannot work.
    """

    reserved: ClassVar[frozenset[str]] = RESERVED_NAMES

    def __init__(  # noqa: PLR0913  a declaration: every argument has a name and all but one a default
        self,
        name: str,
        *,
        commands: Sequence[type[Command]],
        lanes: int = 1,
        keys_own_rows: bool = False,
        retention: timedelta = timedelta(days=7),
        max_waiting: int = 2_000_000,
        max_waiting_bytes: int = 2 * 1024**3,
        require_user_id: bool = False,
        max_connections: int = 200,
        max_channels: int = 1000,
    ) -> None:
        if not _NAME.fullmatch(name) or name in self.reserved:
            raise DeclarationError(
                f"service name {name!r}: expected lower-case letters, digits and _ (at most 40, a letter first), "
                f"and none of {', '.join(sorted(RESERVED_NAMES))}"
            )
        if lanes < 1:
            raise DeclarationError(f"service {name}: lanes must be at least 1, not {lanes}")
        if retention < timedelta(days=1):
            raise DeclarationError(f"service {name}: retention is kept by whole days, at least 1, not {retention}")
        if max_connections < 1 or max_channels < 1:
            raise DeclarationError(
                f"service {name}: its user needs at least 1 connection and 1 channel, "
                f"not max_connections={max_connections} and max_channels={max_channels}"
            )
        self.name = name
        self.lanes = lanes
        self.keys_own_rows = keys_own_rows
        self.retention = retention
        self.max_waiting = max_waiting
        self.max_waiting_bytes = max_waiting_bytes
        self.require_user_id = require_user_id
        self.max_connections = max_connections
        self.max_channels = max_channels
        self.commands: Mapping[str, type[Command]] = MappingProxyType(self._take_in(commands))

        _DECLARED[name] = lanes

    def _take_in(self, commands: Sequence[type[Command]]) -> dict[str, type[Command]]:
        taken: dict[str, type[Command]] = {}
        for command in commands:
            bind(command, self.name, self.lanes)
            task = command.__writegate__.task
            if task in taken:
                raise DeclarationError(f"service {self.name}: two commands are called {task}")
            taken[task] = command
        return taken

    def __repr__(self) -> str:
        return f"Service({self.name!r}, lanes={self.lanes})"
