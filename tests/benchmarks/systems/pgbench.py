"""pgbench, which knows nothing of commands: what this server does with this transaction at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.driver import Driver
from tests.benchmarks.jobs import Job
from tests.benchmarks.loads.pgbench import Pgbench
from tests.benchmarks.place import Place
from tests.benchmarks.systems.base import Outcome, Running, System
from tests.benchmarks.workloads import WORKLOADS
from tests.benchmarks.workloads.tpcb import schema_of

_SCALES = {"tpcb-1": 1, "tpcb-50": 50}
_CLIENTS = (1, 4, 16, 64, 200)
_TRY_SECONDS = 1.0

# The best number of clients by workload: found once, so that all runs of a benchmark have the same.
_best: dict[str, int] = {}


class _Running(Running):
    """A load process for each workload, started when it is first asked for."""

    def __init__(self, place: Place) -> None:
        super().__init__([], "pgbench")
        self._place = place
        self._started: dict[str, Driver] = {}

    def prepare(self, job: Job) -> None:
        """Find the best number of clients and have a process that runs so many."""
        if job.workload not in _best:
            _best[job.workload] = max(_CLIENTS, key=lambda clients: self._try(job.workload, clients))
        clients = _best[job.workload]
        if job.workload not in self._started:
            arguments = self._arguments(job.workload, clients)
            driver = Driver("tests.benchmarks.loads.pgbench:Pgbench", arguments, dict(os.environ))
            self._started[job.workload] = driver
            driver.wait_ready()
        self._drivers = [self._started[job.workload]]
        self.setting = f"{clients} clients"

    def run(self, job: Job) -> Outcome:
        """Do a job. pgbench's own times begin when a transaction was due."""
        outcome = super().run(job)
        return Outcome(outcome.reports, latency_ms=outcome.reports[0].call_ms)

    def end(self) -> None:
        """End the processes."""
        for driver in self._started.values():
            driver.end()

    def _try(self, workload: str, clients: int) -> float:
        self._place.reset(WORKLOADS[workload])
        report = Pgbench(**self._arguments(workload, clients)).run(Job(workload, seconds=_TRY_SECONDS))
        return report.counted / report.seconds

    def _arguments(self, workload: str, clients: int) -> dict[str, Any]:
        program = str(self._place.programs / "pgbench")
        return {"program": program, "url": self._place.url, "schema": schema_of(_SCALES[workload]), "clients": clients}


@contextmanager
def _running(place: Place) -> Iterator[Running]:
    running = _Running(place)
    try:
        yield running
    finally:
        running.end()


pgbench = System(
    "pgbench",
    "pgbench's own transaction, prepared statements, the best of 1, 4, 16, 64 and 200 clients",
    _running,
    workloads=tuple(_SCALES),
)
