"""Figures of the whole gate: sampled every ten seconds by one writer for all, kept in ``writegate.history``.

Every writer asks for a sample when housekeeping is due; an advisory lock lets only one of them take it.
What the last one says is shown to monitors by each, so that it does not matter which of them is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault, Fault
from writegate_writer.schedule.backlog import Backlog

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
# What was read longer ago is told nobody any more: the control connection is gone.
_FRESH_SECONDS = 60.0

# Of the lanes that this writer serves only it knows what waits. A service for which nothing does has no row.
_TAKE = """
INSERT INTO writegate.history (at, name, labels, value)
SELECT clock_timestamp(), 'oldest_waiting_seconds', jsonb_build_object('service', service), seconds
FROM unnest(%(services)s::text[], %(seconds)s::float8[]) AS waiting (service, seconds);
SELECT writegate.take_sample(make_interval(secs => %(every)s));
SELECT name, labels, CASE name WHEN 'sampled' THEN extract(epoch FROM at)::float8 ELSE value END FROM writegate.history
WHERE name = ANY(%(names)s) AND at = (SELECT max(at) FROM writegate.history WHERE name = 'sampled')
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of a sample's figures, as monitors are told it: a gauge, or a counter."""

    metric: str
    text: str
    labels: tuple[str, ...] = ()
    counter: bool = False


# By their names in the table. Those that each writer counts for itself are not repeated here.
FIGURES: Mapping[str, Figure] = {
    "sampled": Figure("writegate_sample_timestamp_seconds", "When the gate's figures were sampled."),
    "parked_commands": Figure("writegate_parked_commands", "Commands that wait for people.", ("service", "cause")),
    "deferred_commands": Figure(
        "writegate_deferred_commands", "Commands that wait in the database.", ("service", "domain")
    ),
    "oldest_deferred_seconds": Figure(
        "writegate_oldest_deferred_seconds", "For how long the oldest of them has.", ("service", "domain")
    ),
    "unowned_domain": Figure("writegate_unowned_domain", "1: no writer holds this domain.", ("domain",)),
    "held_type": Figure(
        "writegate_held_type", "1: writers hold this command type, because its deployment is broken.", ("task",)
    ),
    "holds": Figure("writegate_holds", "What people hold: services, lanes, types, keys, tables.", ("kind",)),
    "writer_connections": Figure("writegate_writer_connections", "Connections of all writers."),
    "writer_connections_limit": Figure("writegate_writer_connections_limit", "Their budget: the role's limit."),
    "server_connections": Figure("writegate_server_connections", "Connections to the database server."),
    "server_connections_limit": Figure("writegate_server_connections_limit", "How many it takes."),
    "deadlocks": Figure("writegate_deadlocks", "Deadlocks in the database since its counters began.", counter=True),
    "deadlocks_since_seconds": Figure("writegate_deadlocks_since_timestamp_seconds", "When they began."),
    "outbox_commands": Figure("writegate_outbox_commands", "Emitted commands that the broker has not confirmed."),
    "ledger_partitions": Figure("writegate_ledger_partitions", "Days that the ledger holds."),
    "ledger_days_ahead": Figure("writegate_ledger_days_ahead", "Days to come for which it has room."),
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """A figure of the last sample."""

    name: str
    labels: Mapping[str, str]
    value: float


class History:
    """Has a sample taken when one is due, and keeps the last one. ``backlogs``: what waits in this process."""

    def __init__(self, backlogs: Callable[[], Mapping[str, Backlog]]) -> None:
        self._backlogs = backlogs
        self._due = 0.0
        self._read_at = 0.0
        self._last: tuple[Sampled, ...] = ()

    @property
    def last(self) -> tuple[Sampled, ...]:
        """The last sample; empty when it is not known any more. From any thread."""
        return self._last if time.monotonic() - self._read_at < _FRESH_SECONDS else ()

    @property
    def due_at(self) -> float:
        """When it is due next, of :func:`time.monotonic`."""
        return self._due

    def tick(self, session: Session) -> None:
        """Do what is due. Raises :class:`DatabaseFault` only when the connection or the database is gone."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        waiting = {name: one.oldest_seconds for name, one in self._backlogs().items() if one.oldest_seconds > 0}
        parameters = {
            "services": list(waiting),
            "seconds": list(waiting.values()),
            "every": EVERY_SECONDS - 1,  # the clocks of several writers do not agree
            "names": list(FIGURES),
        }
        try:
            rows = session.own(_TAKE, parameters)
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # A schema older than this writer, say: that stops no command.
            log.warning("history.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=EVERY_SECONDS)
            return
        self._last = tuple(Sampled(*row) for row in rows)
        self._read_at = time.monotonic()
