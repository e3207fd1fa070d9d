"""Batches: one transaction each, and the commands that it finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from writegate_console.gate.database import Database

MAX_COMMANDS = 500
RECENT_BATCHES = 5_000  # of all services: a service whose last batch is older shows none

_BATCH = """
SELECT id, domain, service, writer, xid, commands, started_at, committed_at FROM writegate.batch WHERE id = %(id)s
"""
# The ledger's day is in the time zone of the writer's session: one more day on each side covers every time zone.
_COMMANDS = """
SELECT id::text AS id, outcome, (count(*) OVER ())::int AS found FROM writegate.ledger
WHERE day BETWEEN %(at)s::date - 1 AND %(at)s::date + 1 AND batch = %(batch)s ORDER BY id LIMIT %(most)s
"""
_RECENT = """
SELECT id, domain, service, writer, xid, commands, started_at, committed_at FROM writegate.batch
WHERE id > (SELECT max(id) FROM writegate.batch) - %(recent)s AND service = %(service)s
ORDER BY id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction that changed something."""

    id: int
    domain: str
    service: str
    writer: str
    xid: int
    commands: int
    started_at: datetime
    committed_at: datetime | None

    @property
    def milliseconds(self) -> float | None:
        """How long it took; None while it is not committed."""
        return None if self.committed_at is None else (self.committed_at - self.started_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class BatchCommands:
    """A batch and the ids of its commands. ``others``: how many more commands it has than are listed here."""

    batch: Batch
    applied: Sequence[str]
    declined: Sequence[str]
    parked: Sequence[str]
    others: int


def batch_with_commands(database: Database, number: int) -> BatchCommands | None:
    """Return a batch and its commands, None when there is no such batch or it is not kept any more."""
    rows = database.all(_BATCH, {"id": number})
    if not rows:
        return None
    batch = Batch(**rows[0])
    parameters = {"at": batch.started_at, "batch": batch.id, "most": MAX_COMMANDS}
    commands = database.all(_COMMANDS, parameters)
    ids = {outcome: [row["id"] for row in commands if row["outcome"] == outcome] for outcome in "adp"}
    others = commands[0]["found"] - len(commands) if commands else 0
    return BatchCommands(batch, ids["a"], ids["d"], ids["p"], others)


def recent_batches(database: Database, service: str, limit: int = 20) -> list[Batch]:
    """Return a service's newest batches, as far as they are among the newest of all services."""
    parameters = {"recent": RECENT_BATCHES, "service": service, "limit": limit}
    return [Batch(**row) for row in database.all(_RECENT, parameters)]
