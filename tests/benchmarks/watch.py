"""What a run costs: connections, deadlocks, CPU time and memory, measured from outside."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

import psutil
import psycopg2

from tests.benchmarks.place import OWN_SESSIONS

EVERY_SECONDS = 0.1
POSTGRES = "postgres"

_CLIENTS = f"""
    select count(*) from pg_stat_activity
    where backend_type = 'client backend' and application_name <> '{OWN_SESSIONS}'
"""
_DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@dataclass
class Seen:
    """What was seen. CPU seconds and peak memory in MB by group of processes."""

    peak_connections: int = 0
    deadlocks: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: dict[str, float] = field(default_factory=dict)


class Watch:
    """Samples ten times a second, from ``with`` to its end.

    ``groups``: the first processes of each group; their children belong to it. ``url`` is a superuser's.
    """

    def __init__(self, url: str, groups: Mapping[str, Sequence[int]]) -> None:
        self._url = url
        self._groups = {name: [psutil.Process(pid) for pid in pids] for name, pids in groups.items()}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._cpu_before: dict[str, float] = {}
        self._deadlocks_before = 0
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._cpu_before = self._cpu()
        self._deadlocks_before = self._ask(_DEADLOCKS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        cpu = self._cpu()
        self.seen.cpu_s = {name: cpu[name] - before for name, before in self._cpu_before.items()}
        self.seen.deadlocks = self._ask(_DEADLOCKS) - self._deadlocks_before

    def _ask(self, query: str) -> int:
        with closing(_connect(self._url)) as connection, connection.cursor() as cursor:
            # What sessions count reaches the view when they are idle: deadlocks at once would be a little late.
            cursor.execute("select pg_stat_clear_snapshot()")
            cursor.execute(query)
            return int(cursor.fetchone()[0])

    def _look(self) -> None:
        with closing(_connect(self._url)) as connection, connection.cursor() as cursor:
            while not self._end.wait(EVERY_SECONDS):
                cursor.execute(_CLIENTS)
                self.seen.peak_connections = max(self.seen.peak_connections, cursor.fetchone()[0])
                for name, memory in self._memory().items():
                    self.seen.peak_rss_mb[name] = max(self.seen.peak_rss_mb.get(name, 0.0), memory)

    def _cpu(self) -> dict[str, float]:
        return {name: sum(map(_cpu_of, _family(first))) for name, first in self._groups.items()}

    def _memory(self) -> dict[str, float]:
        # PostgreSQL's processes share their buffers: those are not counted, other memory is.
        return {
            name: sum(_memory_of(process, shared=name != POSTGRES) for process in _family(first)) / 1e6
            for name, first in self._groups.items()
        }


def _connect(url: str) -> Any:
    connection = psycopg2.connect(url, application_name=OWN_SESSIONS)
    connection.autocommit = True
    return connection


def _family(first: Sequence[psutil.Process]) -> list[psutil.Process]:
    family = []
    for process in first:
        family.append(process)
        try:
            family += process.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    return family


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # its parent counts it among the children it has lost
    return float(times.user + times.system + times.children_user + times.children_system)


def _memory_of(process: psutil.Process, *, shared: bool) -> int:
    try:
        memory = process.memory_info()
    except psutil.NoSuchProcess:
        return 0
    return int(memory.rss if shared else memory.rss - memory.shared)
