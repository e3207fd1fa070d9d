"""All that the first page shows, in one look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.audit import Act, newest
from writegate_console.gate.connections.counts import Counters, Session, counters_of
from writegate_console.gate.connections.queries import sessions_of
from writegate_console.gate.database import Database, Row
from writegate_console.gate.locks import Locked, waiting
from writegate_console.gate.service_rows import ServiceRow, rows_of
from writegate_console.gate.status.queries import look
from writegate_console.gate.status.screen import Screen

RATE_SECONDS = 10.0  # short, so that figures move; `writegate status` says the last minute
BROKER_SECONDS = 2.0  # it is told within five that it is away
ACTS = 8
_DATABASE = """
SELECT deadlocks, stats_reset, clock_timestamp() AS now,
       (SELECT min(deferred_at) FROM writegate.deferred WHERE state = 'deferred') AS oldest_deferred,
       (SELECT max(value) FROM writegate.history WHERE name = 'oldest_waiting_seconds'
            AND at > clock_timestamp() - interval '15 seconds') AS oldest_waiting
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Headline:
    """The figures that are read from two metres away. ``oldest_seconds``: the longest that anything has waited."""

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


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything, as of ``at`` by the database's clock."""

    at: datetime
    headline: Headline
    services: Sequence[ServiceRow]
    sessions: Sequence[Session]
    locks: Sequence[Locked]
    parked: Sequence[Row]
    deferred: Sequence[Row]
    holds: Sequence[Row]
    audit: Sequence[Act]
    broker: str | None


def overview(database: Database, settings: Settings, baseline: Counters | None) -> Overview:
    """Return what there is now. ``broker`` says why the broker tells nothing, when it does not."""
    screen = look(database, settings, RATE_SECONDS, BROKER_SECONDS)
    [row] = database.all(_DATABASE)
    sessions = sessions_of(database)
    counters = counters_of(sessions, row["deadlocks"])
    return Overview(
        at=row["now"],
        headline=headline(screen, counters, row, baseline),
        services=rows_of(screen),
        sessions=sessions,
        locks=waiting(database),
        parked=screen.parked,
        deferred=screen.deferred,
        holds=screen.holds,
        audit=newest(database, ACTS),
        broker=screen.broker,
    )


def headline(screen: Screen, counters: Counters, row: Row, baseline: Counters | None) -> Headline:
    """Return the figures. Pure."""
    commits = sum(one.out_per_second / one.mean_batch for one in screen.out if one.mean_batch)
    commands = sum(one.out_per_second for one in screen.out)
    return Headline(
        connections=counters.connections,
        writers=screen.writers.used,
        budget=screen.writers.budget,
        baseline=baseline.connections if baseline else None,
        deadlocks=row["deadlocks"],
        deadlocks_since=row["stats_reset"],
        deadlocks_baseline=baseline.deadlocks if baseline else None,
        commands_per_second=commands,
        commits_per_second=commits,
        commands_per_commit=commands / commits if commits else None,
        oldest_seconds=_oldest(screen, row),
        parked=sum(one["commands"] for one in screen.parked),
        deferred=sum(one["commands"] for one in screen.deferred),
    )


def _oldest(screen: Screen, row: Row) -> float | None:
    """Return the longest wait: as writers sampled it, as the rate tells it, or of what was set aside."""
    known = [one.drained_in_seconds for one in screen.out if one.drained_in_seconds is not None]
    if row["oldest_waiting"] is not None:
        known.append(row["oldest_waiting"])
    if row["oldest_deferred"] is not None:
        known.append((row["now"] - row["oldest_deferred"]).total_seconds())
    return max(known, default=None)


def baseline_of(settings: Settings) -> Counters | None:
    """Read the file of what was before, if one is named. Raises :class:`WritegateError` when it is none."""
    if not settings.console_baseline:
        return None
    path = Path(settings.console_baseline)
    try:
        counters: Mapping[str, int] = json.loads(path.read_text())
        return Counters(**counters)
    except (OSError, ValueError, TypeError) as error:
        raise WritegateError(
            f"WRITEGATE_CONSOLE_BASELINE: {path} is no file that `writegate connections --baseline` wrote: {error}"
        ) from error
