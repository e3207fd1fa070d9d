"""The limit: one connection makes commands and runs the set-based handlers on them: no queue, no ledger."""

from __future__ import annotations

import time
from random import Random

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.benchmarks.jobs import Job, Report, percentiles
from tests.benchmarks.loads.handlers import run_handlers
from tests.benchmarks.pace import Schedule, note_of
from tests.benchmarks.workloads import WORKLOADS

BATCH = 1000
"""As many as the writer applies at once by default."""


class Limit:
    """Makes commands and applies them."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": "limit"})
        self._connection = self._engine.connect()

    def run(self, job: Job) -> Report:
        """Apply as many as go, or those that are due."""
        workload = WORKLOADS[job.workload]
        random = Random(job.seed)
        started = time.time()
        calls: list[float] = []
        sent = 0
        schedule = Schedule(job.rate, job.seconds, job.seed) if job.rate is not None else None
        while time.time() < started + job.seconds:
            dues = [time.time()] * BATCH if schedule is None else schedule.due(BATCH)
            batch = [workload.command(random, False, note_of(due)) for due in dues]
            if not batch:
                time.sleep(0.0005)
                continue
            began = time.perf_counter()
            run_handlers(self._connection, workload, batch)
            self._connection.commit()
            calls.append((time.perf_counter() - began) * 1000)
            sent += len(batch)
        return Report(started, sent, sent, time.time() - started, call_ms=percentiles(calls))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
