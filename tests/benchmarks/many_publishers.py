"""Growth of publishers: each has its own connection to the broker; what all publish together stays the same."""

from __future__ import annotations

import os

from tests.benchmarks.drain import WORKLOAD
from tests.benchmarks.jobs import Job
from tests.benchmarks.measure import measure
from tests.benchmarks.place import Place
from tests.benchmarks.point import Point, cost_of
from tests.benchmarks.systems.base import Running
from tests.benchmarks.systems.direct import drivers
from tests.benchmarks.systems.writegate import WRITER, start_writer

_RATE = 2000.0
_PROCESSES = 4
_LOAD = "tests.benchmarks.loads.growth:ManyPublishers"


def measure_publishers(place: Place, count: int, seconds: float) -> Point:
    """Publish single commands in an open loop from so many connections."""
    gate = place.gate
    url = gate.broker.url(WORKLOAD.service)
    processes = min(_PROCESSES, count)
    each = [{"url": url, "count": count // processes}] * processes
    writer = start_writer(gate)
    try:
        with drivers(_LOAD, each, dict(os.environ)) as started:
            running = Running(started, "publisher", others={"writer": [writer.process.pid]}, queued=True)
            run = measure(place, running, Job(WORKLOAD.name, seconds=seconds, rate=_RATE))
    finally:
        gate.writers.stop(WRITER)
    return Point(
        "publishers", count, [run.effects_per_s], cost_of([run.seen], run.applied), exact=run.exact,
        latency_ms=run.latency_ms, call_ms=run.call_ms, note=f"{_RATE:,.0f} commands/s are due",
    )  # fmt: skip
