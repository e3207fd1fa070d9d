"""Connections as they are counted, who writes directly, and a comparison with before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.connections.ways import DirectSession, PrivilegedRole, TableWrites, quoted


@dataclass(frozen=True, slots=True)
class SessionCount:
    """The sessions of one role and application name in this database."""

    role: str
    application: str
    sessions: int
    idle_in_transaction: int
    waiting_for_locks: int


@dataclass(frozen=True, slots=True)
class DirectWriter:
    """A role's rights to write to a table of the gate. ``sessions``: those open now that can use them."""

    role: str
    schema: str
    name: str
    privileges: tuple[str, ...]
    sessions: int

    @property
    def revoke(self) -> str:
        """The statement that takes the rights away. Revoking from a table revokes from its columns as well."""
        role = self.role if self.role == "PUBLIC" else quoted(self.role)
        return f"REVOKE {', '.join(self.privileges)} ON {quoted(self.schema)}.{quoted(self.name)} FROM {role};"


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """What is compared with before. ``deadlocks`` are counted since the statistics' reset, the others are of now."""

    connections: int
    idle_in_transaction: int
    waiting_for_locks: int
    deadlocks: int


@dataclass(frozen=True, slots=True)
class ConnectionsReport:
    """All that `writegate connections` shows.

    ``direct``: roles with a granted right to write; ``privileged``: roles that need none; ``writing``: sessions that
    write now; ``written``: what was written to each table, by the gate or without it.
    """

    writers: ConnectionBudget
    sessions: tuple[SessionCount, ...]
    direct: tuple[DirectWriter, ...]
    privileged: tuple[PrivilegedRole, ...]
    writing: tuple[DirectSession, ...]
    written: tuple[TableWrites, ...]
    counters: ConnectionCounts


@dataclass(frozen=True, slots=True)
class CountDifference:
    """One count before and now."""

    name: str
    before: int
    now: int


def total_counts(sessions: Sequence[SessionCount], deadlocks: int) -> ConnectionCounts:
    """Return the counts of all sessions together."""
    return ConnectionCounts(
        connections=sum(count.sessions for count in sessions),
        idle_in_transaction=sum(count.idle_in_transaction for count in sessions),
        waiting_for_locks=sum(count.waiting_for_locks for count in sessions),
        deadlocks=deadlocks,
    )


def compare(before: ConnectionCounts, now: ConnectionCounts) -> list[CountDifference]:
    """Return each count before and now."""
    old, new = asdict(before), asdict(now)
    return [CountDifference(field.name, old[field.name], new[field.name]) for field in fields(ConnectionCounts)]
