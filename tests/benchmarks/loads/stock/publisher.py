"""A service that publishes with Celery: threads that call ``send_task``, each waiting for its confirm."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

from tests.benchmarks.jobs import Job, Report, percentiles
from tests.benchmarks.loads.stock.app import TASK, app, message_of
from tests.benchmarks.pace import Schedule, note_of
from tests.benchmarks.workloads import WORKLOADS


@dataclass
class _Sent:
    good: int = 0
    bad: int = 0
    calls: list[float] = field(default_factory=list)


class Publisher:
    """``threads`` of one process."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        app.conf.broker_pool_limit = threads

    def run(self, job: Job) -> Report:
        """Publish for the time of the job."""
        started = time.time()
        schedule = None if job.rate is None else Schedule(job.rate, job.seconds, job.seed)
        sent = list(self._pool.map(lambda number: _send(job, number, started, schedule), range(self._threads)))
        return Report(
            started=started,
            sent=sum(result.good for result in sent),
            counted=sum(result.good for result in sent),
            seconds=time.time() - started,
            refused=sum(result.bad for result in sent),
            call_ms=percentiles([ms for result in sent for ms in result.calls]),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        app.close()


def _send(job: Job, number: int, started: float, schedule: Schedule | None) -> _Sent:
    make = WORKLOADS[job.workload].command
    random = Random(job.seed * 1000 + number)
    ids = itertools.count((job.seed * 1000 + number) << 32)
    sent = _Sent()
    while (due := _next(started + job.seconds, schedule)) is not None:
        bad = random.random() < job.poison
        message = message_of(job, next(ids), make(random, bad, note_of(due)))
        for _ in range(2 if random.random() < job.duplicates else 1):
            began = time.perf_counter()
            app.send_task(TASK, kwargs=message)
            sent.calls.append((time.perf_counter() - began) * 1000)
        sent.good += not bad
        sent.bad += bad
    return sent


def _next(end: float, schedule: Schedule | None) -> float | None:
    if schedule is None:
        now = time.time()
        return now if now < end else None
    due = schedule.take()
    if due is not None:
        time.sleep(max(0.0, due - time.time()))
    return due
