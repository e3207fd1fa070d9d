"""Metrics of the whole gate: sampled every ten seconds by one writer for all, stored in ``writegate.history``.

Every writer asks for a sample when housekeeping is due; an advisory lock lets only one of them take it.
Each writer exports the last sample, so monitoring may scrape any of them.
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
# A sample that was read longer ago is no longer exported: housekeeping has stopped, so its values are out of date.
_FRESH_SECONDS = 60.0

# Only the writer that owns a lane knows which messages wait there, and what is in them. A service without waiting
# messages has no row, and none without finished ones.
_TAKE = """
INSERT INTO writegate.history (at, name, labels, value)
SELECT clock_timestamp(), 'oldest_waiting_seconds', jsonb_build_object('service', service), seconds
FROM unnest(%(services)s::text[], %(seconds)s::float8[]) AS waiting (service, seconds);
INSERT INTO writegate.history (at, name, labels, value)
SELECT clock_timestamp(), 'commands_per_message', jsonb_build_object('service', service), commands
FROM unnest(%(read)s::text[], %(commands)s::float8[]) AS contents (service, commands);
SELECT writegate.take_sample(make_interval(secs => %(every)s));
SELECT name, labels, CASE name WHEN 'sampled' THEN extract(epoch FROM at)::float8 ELSE value END FROM writegate.history
WHERE name = ANY(%(names)s) AND at = (SELECT max(at) FROM writegate.history WHERE name = 'sampled')
"""


@dataclass(frozen=True, slots=True)
class SampleMetric:
    """How a value of a sample is exported to Prometheus: as a gauge, or as a counter."""

    metric: str
    text: str
    labels: tuple[str, ...] = ()
    counter: bool = False


# By their names in ``writegate.history``. Metrics that each writer counts for itself are in `worker/metrics.py`.
SAMPLE_METRICS: Mapping[str, SampleMetric] = {
    "sampled": SampleMetric("writegate_sample_timestamp_seconds", "When the metrics of the whole gate were sampled."),
    "parked_commands": SampleMetric(
        "writegate_parked_commands", "Commands that wait for people.", ("service", "cause")
    ),
    "deferred_commands": SampleMetric(
        "writegate_deferred_commands", "Commands that wait in the database.", ("service", "domain")
    ),
    "oldest_deferred_seconds": SampleMetric(
        "writegate_oldest_deferred_seconds",
        "Age of the oldest command that waits in the database.",
        ("service", "domain"),
    ),
    "unowned_domain": SampleMetric("writegate_unowned_domain", "1: no writer owns this domain.", ("domain",)),
    "held_type": SampleMetric(
        "writegate_held_type", "1: writers hold this command type, because its deployment is broken.", ("task",)
    ),
    "holds": SampleMetric(
        "writegate_holds", "Holds placed by operators on services, lanes, types, keys and tables.", ("kind",)
    ),
    "writer_connections": SampleMetric("writegate_writer_connections", "Connections of all writers."),
    "writer_connections_limit": SampleMetric(
        "writegate_writer_connections_limit", "Limit of connections of all writers: the limit of their role."
    ),
    "server_connections": SampleMetric("writegate_server_connections", "Connections to the database server."),
    "server_connections_limit": SampleMetric(
        "writegate_server_connections_limit", "Limit of connections of the database server."
    ),
    "deadlocks": SampleMetric(
        "writegate_deadlocks", "Deadlocks in the database since its counters began.", counter=True
    ),
    "deadlocks_since_seconds": SampleMetric(
        "writegate_deadlocks_since_timestamp_seconds", "When the statistics were reset."
    ),
    "outbox_commands": SampleMetric("writegate_outbox_commands", "Emitted commands that the broker has not confirmed."),
    "ledger_partitions": SampleMetric("writegate_ledger_partitions", "Partitions of the ledger: one for each day."),
    "ledger_days_ahead": SampleMetric(
        "writegate_ledger_days_ahead", "Future days for which the ledger has a partition."
    ),
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """A value of the last sample."""

    name: str
    labels: Mapping[str, str]
    value: float


class Samples:
    """Takes a sample when one is due, and keeps the last one.

    ``tick`` is called by housekeeping, :attr:`last` by any thread. ``backlogs``: messages that wait in this process;
    ``contents``: commands per message since it was called last, by service.
    """

    def __init__(
        self, backlogs: Callable[[], Mapping[str, Backlog]], contents: Callable[[], Mapping[str, float]]
    ) -> None:
        self._backlogs = backlogs
        self._contents = contents
        self._due = 0.0
        self._read_at = 0.0
        self._last: tuple[Sampled, ...] = ()

    @property
    def last(self) -> tuple[Sampled, ...]:
        """The last sample; empty when it is out of date. From any thread."""
        return self._last if time.monotonic() - self._read_at < _FRESH_SECONDS else ()

    @property
    def due_at(self) -> float:
        """When the next sample is due, as :func:`time.monotonic` counts."""
        return self._due

    def tick(self, session: Session) -> None:
        """Take a sample if one is due. Raises :class:`DatabaseFault` only when the database cannot be reached."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        waiting = {
            service: backlog.oldest_seconds
            for service, backlog in self._backlogs().items()
            if backlog.oldest_seconds > 0
        }
        contents = self._contents()
        parameters = {
            "read": list(contents),
            "commands": list(contents.values()),
            "services": list(waiting),
            "seconds": list(waiting.values()),
            "every": EVERY_SECONDS - 1,  # the clocks of several writers do not agree
            "names": list(SAMPLE_METRICS),
        }
        try:
            rows = session.own(_TAKE, parameters)
        except DatabaseFault as error:
            if error.fault is Fault.OUTAGE:
                raise
            # For example, the schema is older than this writer. Commands are applied without samples too.
            log.warning("samples.put_off", error=f"{error.sqlstate}: {error}", again_in_seconds=EVERY_SECONDS)
            return
        self._last = tuple(Sampled(*row) for row in rows)
        self._read_at = time.monotonic()
