"""Before: 64 connections run the services' handlers directly, one command a transaction."""

from __future__ import annotations

import gc
import heapq
import multiprocessing
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import cast

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from flights.dataset import events
from tests.demo import oracle
from tests.demo.compare import differences
from tests.demo.direct import DirectWriter, Done
from tests.demo.lock_orders import LockOrder
from tests.demo.report import Phase
from tests.demo.sampler import Sampler
from tests.servers import SUPERUSER, Servers
from weather.dataset import observations
from writegate import Command, key_of
from writegate_writer.handlers.loading import load_services, migrations_of

PROCESSES, THREADS = 8, 8
CONNECTIONS = PROCESSES * THREADS
CONNECT_SECONDS = 60.0
CANCEL_EVERY_SECONDS = 0.2
# More than one connection's share of what the fastest server here does in the time given.
MOST_FLIGHTS = 50_000
# What a session of the demo's still waits for when the time is over is cancelled.
_CANCEL = """
    select pg_cancel_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
"""


def create_database(servers: Servers, name: str) -> str:
    """Create an empty database with the services' schemas; return its owner's URL."""
    servers.create_database(name)
    url = servers.database_url(database=name)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for writes in load_services().values():
            for migration in migrations_of(writes):
                cursor.execute(migration.read_text())
    return url


@dataclass(frozen=True)
class Work:
    """What the connections are given: the flights, and each connection's share of their commands in order."""

    rows: list[oracle.Row]
    shares: list[list[Command]]

    @classmethod
    def of(cls, flights: int) -> Work:
        """Return the work of so many flights, at most as many as can be needed."""
        flights = min(flights, MOST_FLIGHTS)
        rows = oracle.scheduled(flights)
        return cls(rows, _shares(flights, rows))


@dataclass(frozen=True)
class Assignment:
    """What every connection gets."""

    url: str
    order: LockOrder
    seconds: float


def run(servers: Servers, work: Work, order: LockOrder, *, seconds: float, on_start: Callable[[], None]) -> Phase:
    """Run for a bounded time and return the figures, with the database compared to the commands reported committed.

    ``on_start`` is called when all are connected and begin.
    """
    assignment = Assignment(create_database(servers, order.database), order, seconds)
    with Sampler(servers.database_url(SUPERUSER, order.database)) as sampler:
        took, done = _all_connections(assignment, work.shares, on_start, lambda: sampler.ask(_CANCEL))
        exact = not any(differences(_expected(work.rows, done), sampler.ask))
        count = sum(len(each.committed) for each in done)
        return Phase(
            peak_connections=sampler.peak_connections,
            deadlocks=sampler.deadlocks,
            writes_per_s=count / took,
            worst_wait_s=max(each.worst_wait_s for each in done),
            exact=exact,
            commands=count,
            seconds=took,
            extra={"retries": sum(each.retries for each in done), "cut_off": sum(each.cut_off for each in done)},
        )


def _expected(rows: list[oracle.Row], done: Sequence[Done]) -> dict[str, oracle.Table]:
    committed: dict[str, set[str]] = defaultdict(set)
    for each in done:
        for task, about in each.committed:
            committed[task].add(about)
    return {
        **oracle.flight_tables(
            rows,
            departed=committed["flights.record_departure"].__contains__,
            arrived=committed["flights.record_arrival"].__contains__,
        ),
        **oracle.fleet_tables(rows, logged=committed["fleet.log_flight"].__contains__),
        **oracle.weather_tables(None, observed=committed["weather.observe"].__contains__),
    }


def _shares(flights: int, rows: list[oracle.Row]) -> list[list[Command]]:
    """Deal the commands, in time order, to the connections; a key always to the same one, which keeps its order."""
    until = oracle.last_hour(rows) + timedelta(hours=1)
    weather = ((observation.hour, observation) for observation in observations(until))
    shares: list[list[Command]] = [[] for _ in range(CONNECTIONS)]
    for _, command in heapq.merge(events(flights), weather, key=lambda event: event[0]):
        shares[zlib.crc32((key_of(command) or "").encode()) % CONNECTIONS].append(command)
    return shares


def _all_connections(
    assignment: Assignment,
    shares: Sequence[list[Command]],
    on_start: Callable[[], None],
    cancel: Callable[[], object],
) -> tuple[float, list[Done]]:
    fork = multiprocessing.get_context("fork")  # the shares are there already, and need not be sent
    ready = fork.Barrier(CONNECTIONS + 1)
    gc.freeze()  # the children share the pages of the shares as long as nobody touches them
    children: list[BaseProcess] = []
    pipes: list[Pipe] = []
    try:
        for number in range(PROCESSES):
            here, there = fork.Pipe(duplex=False)
            own = shares[number * THREADS : (number + 1) * THREADS]
            process = fork.Process(target=_process, args=(assignment, own, ready, there), daemon=True)
            process.start()
            there.close()
            children.append(process)
            pipes.append(here)
        ready.wait(CONNECT_SECONDS)
        on_start()
        return _collect(pipes, assignment.seconds, cancel)
    finally:
        for child in children:
            child.kill()  # harmless to those that have ended
            child.join()


def _collect(pipes: list[Pipe], seconds: float, cancel: Callable[[], object]) -> tuple[float, list[Done]]:
    """Wait for every process's results; when the time is over, cancel what still waits."""
    started = time.monotonic()
    done: list[Done] = []
    while pipes:
        left = seconds - (time.monotonic() - started)
        for pipe in wait(pipes, max(left, CANCEL_EVERY_SECONDS)):
            done += cast("Pipe", pipe).recv()
            pipes.remove(cast("Pipe", pipe))
        if left <= 0:
            cancel()
    return time.monotonic() - started, done


def _process(assignment: Assignment, shares: Sequence[list[Command]], ready: Barrier, results: Pipe) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(_connection, assignment, share, ready) for share in shares]
        # A thread that failed ends this process with its traceback, and the parent sees the pipe end.
        results.send([thread.result() for thread in running])


def _connection(assignment: Assignment, share: list[Command], ready: Barrier) -> Done:
    engine = create_engine(assignment.url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=NullPool)
    with engine.connect() as connection:
        ready.wait(CONNECT_SECONDS)
        return DirectWriter(connection, assignment.seconds, assignment.order.handlers()).work(share)
