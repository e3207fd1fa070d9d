"""Connections as they are counted, who writes directly, and a comparison with before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from writegate_console.gate.budget import Budget


@dataclass(frozen=True, slots=True)
class Session:
    """Sessions of one role and application name in this database."""

    role: str
    application: str
    sessions: int
    idle_in_transaction: int
    waiting_for_locks: int


@dataclass(frozen=True, slots=True)
class Direct:
    """Rights to write to a table of the gate. ``sessions``: those open now that can use them."""

    role: str
    schema: str
    name: str
    privileges: tuple[str, ...]
    sessions: int

    @property
    def revoke(self) -> str:
        """The statement that ends it. Revoking from a table revokes from its columns as well."""
        role = self.role if self.role == "PUBLIC" else quoted(self.role)
        return f"REVOKE {', '.join(self.privileges)} ON {quoted(self.schema)}.{quoted(self.name)} FROM {role};"


@dataclass(frozen=True, slots=True)
class Counters:
    """What is compared with before. ``deadlocks`` are counted since the statistics' reset, the others are of now."""

    connections: int
    idle_in_transaction: int
    waiting_for_locks: int
    deadlocks: int


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it."""

    writers: Budget
    sessions: tuple[Session, ...]
    direct: tuple[Direct, ...]
    counters: Counters


@dataclass(frozen=True, slots=True)
class Difference:
    """One counter before and now."""

    name: str
    before: int
    now: int


def counters_of(sessions: Sequence[Session], deadlocks: int) -> Counters:
    """Return what is compared: all sessions together."""
    return Counters(
        connections=sum(one.sessions for one in sessions),
        idle_in_transaction=sum(one.idle_in_transaction for one in sessions),
        waiting_for_locks=sum(one.waiting_for_locks for one in sessions),
        deadlocks=deadlocks,
    )


def compare(before: Counters, now: Counters) -> list[Difference]:
    """Return each counter before and now."""
    old, new = asdict(before), asdict(now)
    return [Difference(one.name, old[one.name], new[one.name]) for one in fields(Counters)]


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
