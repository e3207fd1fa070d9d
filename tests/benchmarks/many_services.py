"""Growth of services: one writer process serves all of them, each with its own exchange, queue and table."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks.generated import generate, names
from tests.benchmarks.jobs import Job
from tests.benchmarks.place import CONNECTIONS, LEASE_SECONDS, OWN_SESSIONS, Place
from tests.benchmarks.point import Point, cost_of
from tests.benchmarks.systems.direct import drivers
from tests.benchmarks.watch import Watch
from tests.integration.gate import Gate, gate_running
from tests.servers import SUPERUSER

_PATIENCE_SECONDS = 300.0
_LOAD = "tests.benchmarks.loads.growth:ManyServices"


def measure_services(place: Place, count: int, seconds: float) -> Point:
    """Apply so many services to a gate of their own, publish single commands to all by turns, and measure."""
    with tempfile.TemporaryDirectory(prefix="wg-") as folder:
        generate(Path(folder), count)
        began = time.monotonic()
        name = f"services_{count}"
        with gate_running(
            place.servers, name, CONNECTIONS, Path(folder), WRITEGATE_LEASE_SECONDS=LEASE_SECONDS
        ) as gate:
            gate.database.sql(f"set application_name = '{OWN_SESSIONS}'")
            applied = time.monotonic() - began
            return _measure(place, gate, count, seconds, f"applied in {applied:.0f} s")


def _measure(place: Place, gate: Gate, count: int, seconds: float, note: str) -> Point:
    began = time.monotonic()
    writer = gate.writers.start(wait=False)
    # The example services are installed beside them and served too.
    gate.wait(lambda: writer.serving() >= set(names(count)), f"the writer serves {count} services", _PATIENCE_SECONDS)
    ready = time.monotonic() - began
    arguments = {"url": gate.broker.url(), "services": names(count)}
    environment = {**os.environ, "PYTHONPATH": gate.environment(SUPERUSER)["PYTHONPATH"]}
    url = place.servers.database_url(SUPERUSER, gate.name)
    decided = "select coalesce(sum(commands), 0) from writegate.batch"
    with drivers(_LOAD, [arguments], environment) as [publisher]:
        groups = {"writer": [writer.process.pid], "publisher": [publisher.pid], **place.server_processes()}
        with Watch(url, groups) as watch:
            publisher.start(Job("", seconds=seconds))
            report = publisher.report()
            gate.wait(lambda: gate.database.value(decided) >= report.sent, "all commands decided", _PATIENCE_SECONDS)
    ended = gate.database.value(
        "select extract(epoch from coalesce(max(committed_at), now()))::float8 from writegate.batch"
    )
    applied = sum(gate.database.value(f"select count(*) from {name}.event") for name in names(count))
    [(batches, middle)] = gate.database.sql(
        "select count(*), percentile_disc(0.5) within group (order by commands) from writegate.batch"
    )
    return Point(
        "services", count, [applied / (ended - report.started)], cost_of([watch.seen], applied),
        exact=applied == report.sent,
        call_ms=report.call_ms,
        note=f"{note}, ready {ready:.0f} s after its start, {batches:,} batches of {middle} commands in the middle",
    )  # fmt: skip
