"""The counters of a writer, on prometheus-client's default registry. Counted on slot threads and on the hub thread.

Each is changed once a batch, never once a command. The present state of a writer (connections, domains, waiting
messages) is not counted but read when Prometheus asks: :mod:`writegate_writer.worker.metrics`.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from writegate.telemetry import BatchSpan

if TYPE_CHECKING:
    from writegate_writer.decide.result import BatchResult
    from writegate_writer.receive.delivery import Arrived, Refused

DECIDED = Counter(
    "writegate_decided_commands",
    "Commands decided, by outcome. A deferred command is counted again with its final outcome.",
    ["service", "lane", "outcome"],
)
COMMITS = Counter("writegate_commits", "Committed transactions that changed data.", ["service"])
LAST_COMMIT = Gauge(
    "writegate_last_commit_timestamp_seconds",
    "Time of the last committed transaction, in seconds since 1970.",
    ["service"],
)
BATCH_COMMANDS = Histogram(
    "writegate_batch_commands",
    "Commands in a batch.",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
)
# From one small transaction to the longest that a handler's statement may take.
BATCH_SECONDS = Histogram(
    "writegate_batch_seconds",
    "Seconds it took to apply a batch, including the search for a command that fails.",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
FORWARDED = Counter(
    "writegate_forwarded_commands",
    "Commands that arrived in the wrong lane and were sent to the right one.",
    ["service"],
)
REPLIES_REFUSED = Counter(
    "writegate_refused_replies",
    "Messages that asked for a reply where none is sent: neither to direct reply-to nor to a name shaped like a UUID.",
    ["service"],
)
LOOK_UPS_DROPPED = Counter(
    "writegate_dropped_look_ups",
    "Questions for receipts that got no answer, because too many of their service waited for one.",
    ["service"],
)
DATABASE_FAULTS = Counter(
    "writegate_database_faults",
    "Database errors, by the first two characters of the SQLSTATE; 'lost': the connection was lost.",
    ["sqlstate_class"],
)


def decided(done: BatchResult) -> None:
    """Count what a transaction decided; all its commands are of one service. On the hub thread."""
    plan = done.plan
    _decided("applied", plan.fresh)
    _decided("declined", [command for command, _ in plan.declined])
    _decided("parked", plan.parked)
    _decided("deferred", [deferral.arrived for deferral in plan.deferred])
    _decided("duplicate", [command for command, _ in plan.repeated])
    if done.committed.at is not None and (parts := done.parts):
        service = parts[0].delivery.service
        COMMITS.labels(service).inc()
        LAST_COMMIT.labels(service).set(done.committed.at.timestamp())


def _decided(outcome: str, parts: Sequence[Arrived | Refused]) -> None:
    if parts:
        service = parts[0].delivery.service
        for lane, count in Tally([part.delivery.lane for part in parts]).items():
            DECIDED.labels(service, lane, outcome).inc(count)


def measured(span: BatchSpan) -> BatchSpan:
    """Return ``span``, which then counts the size and time of each batch as well."""

    @contextmanager
    def around(service: str, domain: str, commands: int, traceparents: Iterable[str]) -> Iterator[None]:
        started = time.perf_counter()
        try:
            with span(service, domain, commands, traceparents):
                yield
        finally:
            BATCH_COMMANDS.labels(service).observe(commands)
            BATCH_SECONDS.labels(service).observe(time.perf_counter() - started)

    return around


def database_fault(sqlstate: str | None) -> None:
    """Count a database error; ``sqlstate`` is None when the connection was lost."""
    DATABASE_FAULTS.labels(sqlstate[:2] if sqlstate else "lost").inc()
