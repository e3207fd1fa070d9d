"""What a writer counts on the way, on prometheus-client's default registry: once a batch, never once a command.

What a writer is at the moment (connections, domains, what waits) is read on request: `worker.metrics`.
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
    "Commands decided: applied, parked, deferred (counted again when it is decided), or duplicate (seen before).",
    ["service", "lane", "outcome"],
)
COMMITS = Counter("writegate_commits", "Transactions that changed something.", ["service"])
LAST_COMMIT = Gauge("writegate_last_commit_timestamp_seconds", "When the last of them was committed.", ["service"])
BATCH_COMMANDS = Histogram(
    "writegate_batch_commands",
    "Commands taken at once.",
    ["service"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
)
# From one small transaction to the longest that a handler's statement may take.
BATCH_SECONDS = Histogram(
    "writegate_batch_seconds",
    "How long it took to decide them, the search for what is at fault included.",
    ["service"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
FORWARDED = Counter("writegate_forwarded_commands", "Commands that came in the wrong lane, sent on.", ["service"])
DATABASE_FAULTS = Counter(
    "writegate_database_faults",
    "Errors of the database by the first two characters of the SQLSTATE; 'lost' without one.",
    ["sqlstate_class"],
)


def decided(done: BatchResult) -> None:
    """Count what a transaction decided. All of it is of one service."""
    plan = done.plan
    _decided("applied", plan.fresh)
    _decided("parked", plan.parked)
    _decided("deferred", [deferral.arrived for deferral in plan.deferred])
    _decided("duplicate", [one for one, _ in plan.repeated])
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
    """Return ``span`` with each batch's size and time counted."""

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
    """Count an error of the database."""
    DATABASE_FAULTS.labels(sqlstate[:2] if sqlstate else "lost").inc()
