"""Services that write directly: threads with a connection each, one command a transaction, statement by statement."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg2
from psycopg2 import errorcodes, extensions

from tests.benchmarks.jobs import Job, Report, percentiles
from tests.benchmarks.loads.transaction import transact
from tests.benchmarks.pace import Schedule, note_of
from tests.benchmarks.workloads import WORKLOADS, Workload

_VICTIM = frozenset({errorcodes.DEADLOCK_DETECTED, errorcodes.SERIALIZATION_FAILURE})
_GRACE_SECONDS = 0.5


@dataclass
class _Done:
    in_time: int = 0
    late: int = 0
    refused: int = 0
    retries: int = 0
    calls: list[float] = field(default_factory=list)


class Direct:
    """``connections`` threads of one process."""

    def __init__(self, url: str, connections: int) -> None:
        self._connections = [psycopg2.connect(url, application_name="direct") for _ in range(connections)]
        self._threads = ThreadPoolExecutor(connections)

    def run(self, job: Job) -> Report:
        started = time.time()
        end = started + job.seconds
        schedule = None if job.rate is None else Schedule(job.rate, job.seconds, job.seed)
        workers = [
            _Worker(connection, job, number, end, schedule) for number, connection in enumerate(self._connections)
        ]

        def cancel() -> None:
            for worker in workers:
                worker.cancel()

        waiting = threading.Timer(job.seconds + _GRACE_SECONDS, cancel)
        waiting.start()
        done = list(self._threads.map(_Worker.work, workers))
        waiting.cancel()
        waiting.join()
        in_time = sum(result.in_time for result in done)
        return Report(
            started=started,
            sent=in_time + sum(result.late for result in done),
            counted=in_time,
            seconds=job.seconds,
            refused=sum(result.refused for result in done),
            retries=sum(result.retries for result in done),
            call_ms=percentiles([ms for result in done for ms in result.calls]),
        )

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._threads.shutdown()


class _Worker:
    def __init__(self, connection: Any, job: Job, number: int, end: float, schedule: Schedule | None) -> None:
        self._connection = connection
        self._job = job
        self._workload: Workload = WORKLOADS[job.workload]
        self._random = Random(job.seed * 1000 + number)
        self._ids = itertools.count((job.seed * 1000 + number) << 32)
        self._end = end
        self._schedule = schedule
        self._done = _Done()
        self._over = False

    def cancel(self) -> None:
        """End what still waits after the time is over."""
        self._over = True
        if self._connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            self._connection.cancel()

    def work(self) -> _Done:
        while (due := self._next()) is not None:
            bad = self._random.random() < self._job.poison
            command = self._workload.command(self._random, bad, note_of(due))
            id_ = next(self._ids)
            times = 2 if self._random.random() < self._job.duplicates else 1
            for _ in range(times):
                began = time.perf_counter()
                self._until_committed(self._workload.statements(command), id_)
                self._done.calls.append((time.perf_counter() - began) * 1000)
        return self._done

    def _next(self) -> float | None:
        if self._schedule is None:
            now = time.time()
            return now if now < self._end else None
        due = self._schedule.take()
        if due is not None:
            time.sleep(max(0.0, due - time.time()))
        return None if self._over else due

    def _until_committed(self, statements: list[Any], id_: int) -> None:
        while True:
            try:
                applied = transact(self._connection, self._job, statements, id_)
            except psycopg2.Error as error:
                self._connection.rollback()
                if self._over and error.pgcode in {*_VICTIM, errorcodes.QUERY_CANCELED}:
                    return
                if error.pgcode in _VICTIM:
                    self._done.retries += 1
                    continue
                if error.pgcode is None or not error.pgcode.startswith("23"):
                    raise
                self._done.refused += 1
                return
            if applied:
                in_time = time.time() < self._end
                self._done.in_time += in_time
                self._done.late += not in_time
            return
