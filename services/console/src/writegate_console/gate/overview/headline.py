"""The numbers at the top of the first page, from what the other queries returned. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from writegate_console.gate.connections.counts import ConnectionCounts
from writegate_console.gate.database import Row
from writegate_console.gate.status.model import GateStatus


@dataclass(frozen=True, slots=True)
class Headline:
    """The numbers in large type. ``oldest_seconds``: the longest that any command has waited."""

    connections: int
    writers: int
    budget: int
    baseline: int | None
    deadlocks: int
    deadlocks_since: datetime | None
    deadlocks_baseline: int | None
    commands_per_second: float
    commits_per_second: float
    commands_per_commit: float | None
    oldest_seconds: float | None
    parked: int
    deferred: int


def headline(status: GateStatus, counts: ConnectionCounts, row: Row, baseline: ConnectionCounts | None) -> Headline:
    """Return the headline. ``row``: the statistics of the database, as ``overview.queries`` reads them."""
    commits = sum(service.out_per_second / service.mean_batch for service in status.out if service.mean_batch)
    commands = sum(service.out_per_second for service in status.out)
    return Headline(
        connections=counts.connections,
        writers=status.writers.used,
        budget=status.writers.budget,
        baseline=baseline.connections if baseline else None,
        deadlocks=row["deadlocks"],
        deadlocks_since=row["stats_reset"],
        deadlocks_baseline=baseline.deadlocks if baseline else None,
        commands_per_second=commands,
        commits_per_second=commits,
        commands_per_commit=commands / commits if commits else None,
        oldest_seconds=_oldest_seconds(status, row),
        parked=sum(group["commands"] for group in status.parked),
        deferred=sum(group["commands"] for group in status.deferred),
    )


def _oldest_seconds(status: GateStatus, row: Row) -> float | None:
    """Return the longest wait: of what writers hold, of what nobody consumes, or of what is deferred.

    Of messages whose age nobody knows it is estimated by the rate at which they are applied.
    """
    waits = [(service.oldest_seconds, service.drained_in_seconds) for service in status.out]
    known = [wait for oldest, estimate in waits if (wait := estimate if oldest is None else oldest) is not None]
    if row["oldest_deferred"] is not None:
        known.append((row["now"] - row["oldest_deferred"]).total_seconds())
    return max(known, default=None)
