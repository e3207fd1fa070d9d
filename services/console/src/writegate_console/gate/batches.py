"""Batches: one transaction each, and the commands that it decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from writegate_console.gate.database import Database

MOST_COMMANDS = 500
RECENT = 5_000  # of all services: a service that was idle for so long shows none

_BATCH = "SELECT id, domain, service, writer, xid, commands, started_at, committed_at FROM writegate.batch "
# The day is that of the session that decided: one more on each side covers every time zone.
_COMMANDS = """
SELECT id::text AS id, outcome, (count(*) OVER ())::int AS found FROM writegate.ledger
WHERE day BETWEEN %(at)s::date - 1 AND %(at)s::date + 1 AND batch = %(batch)s ORDER BY id LIMIT %(most)s
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
        """How long it took."""
        return None if self.committed_at is None else (self.committed_at - self.started_at).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Decided:
    """What a batch decided. ``others``: how many more commands than are named here."""

    batch: Batch
    applied: Sequence[str]
    parked: Sequence[str]
    others: int


def decided(database: Database, number: int) -> Decided | None:
    """Return a batch and its commands, None when it is not kept (any more)."""
    rows = database.all(_BATCH + "WHERE id = %(id)s", {"id": number})
    if not rows:
        return None
    batch = Batch(**rows[0])
    parameters = {"at": batch.started_at, "batch": batch.id, "most": MOST_COMMANDS}
    commands = database.all(_COMMANDS, parameters)
    by = {outcome: [row["id"] for row in commands if row["outcome"] == outcome] for outcome in "ap"}
    others = commands[0]["found"] - len(commands) if commands else 0
    return Decided(batch, by["a"], by["p"], others)


def recent(database: Database, service: str, limit: int = 20) -> list[Batch]:
    """Return a service's newest batches, of the newest of the gate."""
    where = (
        "WHERE id > (SELECT max(id) FROM writegate.batch) - %(recent)s AND service = %(service)s "
        "ORDER BY id DESC LIMIT %(limit)s"
    )
    parameters = {"recent": RECENT, "service": service, "limit": limit}
    return [Batch(**row) for row in database.all(_BATCH + where, parameters)]
