"""Before: 64 connections run the services' own handlers directly, one command a transaction."""

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
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import cast

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from flights.recorded import events
from tests.demo import oracle
from tests.demo.compare import differences
from tests.demo.direct import DirectWriter, Done
from tests.demo.report import Phase
from tests.demo.sampler import Sampler
from tests.servers import SUPERUSER, Servers
from weather.recorded import observations
from writegate import Command, key_of
from writegate_writer.handlers.loading import load_services, migrations_of

DATABASE = "before"
PROCESSES, THREADS = 8, 8
CONNECTIONS = PROCESSES * THREADS
CONNECT_SECONDS = 60.0
CANCEL_EVERY_SECONDS = 0.2
# More than one connection's share of what the fastest server here does in the time given.
MOST_FLIGHTS = 50_000
# A session of the demo's that still waits when the time is over is told to stop waiting.
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


def run(servers: Servers, *, flights: int, seconds: float, on_start: Callable[[], None]) -> Phase:
    """Run for a bounded time and return the figures, with the database compared to the commands reported committed.

    ``on_start`` is called when all are connected and begin.
    """
    url = create_database(servers, DATABASE)
    flights = min(flights, MOST_FLIGHTS)
    rows = oracle.scheduled(flights)
    shares = _shares(flights, rows)
    with Sampler(servers.database_url(SUPERUSER, DATABASE)) as sampler:
        took, done = _all_connections(url, shares, seconds, on_start, lambda: sampler.ask(_CANCEL))
        exact = not any(differences(_expected(rows, done), sampler.ask))
        count = sum(len(one.committed) for one in done)
        return Phase(
            peak_connections=sampler.peak_connections,
            deadlocks=sampler.deadlocks,
            writes_per_s=count / took,
            worst_wait_s=max(one.worst_wait_s for one in done),
            exact=exact,
            commands=count,
            seconds=took,
            extra={"retries": sum(one.retries for one in done), "cut_off": sum(one.cut_off for one in done)},
        )


def _expected(rows: list[oracle.Row], done: Sequence[Done]) -> dict[str, oracle.Table]:
    committed: dict[str, set[str]] = defaultdict(set)
    for one in done:
        for task, about in one.committed:
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
    weather = ((one.hour, one) for one in observations(until))
    shares: list[list[Command]] = [[] for _ in range(CONNECTIONS)]
    for _, command in heapq.merge(events(flights), weather, key=lambda event: event[0]):
        shares[zlib.crc32((key_of(command) or "").encode()) % CONNECTIONS].append(command)
    return shares


def _all_connections(
    url: str,
    shares: Sequence[list[Command]],
    seconds: float,
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
            child = fork.Process(target=_process, args=(url, own, seconds, ready, there), daemon=True)
            child.start()
            there.close()
            children.append(child)
            pipes.append(here)
        ready.wait(CONNECT_SECONDS)
        on_start()
        return _collect(pipes, seconds, cancel)
    finally:
        for one in children:
            one.kill()  # harmless to those that have ended
            one.join()


def _collect(pipes: list[Pipe], seconds: float, cancel: Callable[[], object]) -> tuple[float, list[Done]]:
    """Wait for every process's results; when the time is over, tell what still waits to stop."""
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


def _process(url: str, shares: Sequence[list[Command]], seconds: float, ready: Barrier, results: Pipe) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(_connection, url, share, seconds, ready) for share in shares]
        # A thread that failed ends this process with its traceback, and the parent sees the pipe end.
        results.send([one.result() for one in running])


def _connection(url: str, share: list[Command], seconds: float, ready: Barrier) -> Done:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=NullPool)
    with engine.connect() as connection:
        ready.wait(CONNECT_SECONDS)
        return DirectWriter(connection, seconds).work(share)
