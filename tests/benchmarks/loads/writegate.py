"""A service that publishes: single commands from many tasks at once, or many in a call."""

from __future__ import annotations

import asyncio
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from random import Random

from tests.benchmarks.jobs import Job, Report, percentiles
from tests.benchmarks.pace import Schedule, note_of
from tests.benchmarks.workloads import WORKLOADS
from writegate import Command
from writegate.config import Settings
from writegate.publishing import Publisher

TASKS = 1000
"""Calls of one process at a time, as a busy web service has them."""
CALL = 2000
"""Commands in a call of ``publish_many``."""


Make = Callable[[Random, bool, str], Command]


class _Commands:
    """Makes the commands of a job and counts them."""

    def __init__(self, job: Job, make: Make) -> None:
        self._make = make
        self._random = Random(job.seed)
        self._job = job
        self.good = 0
        self.bad = 0

    def next(self, due: float) -> list[Command]:
        """Return the next command, twice if it is to be a duplicate."""
        bad = self._random.random() < self._job.poison
        self.good += not bad
        self.bad += bad
        command = self._make(self._random, bad, note_of(due))
        return [command, command] if self._random.random() < self._job.duplicates else [command]

    def due(self, dues: Sequence[float]) -> list[Command]:
        return list(itertools.chain.from_iterable(self.next(due) for due in dues))


def settings_of(url: str) -> Settings:
    """Return the settings of a publisher that waits where a queue is full, with nothing on disk: this is to be seen."""
    waiting = {"when_full": "wait", "publish_timeout_seconds": 60, "spool_directory": "off"}
    return Settings.load({}, defaults={**waiting, "broker_url": url})


class _Publishing(ABC):
    """``urls``: the broker as each service's user."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._publishers = {service: Publisher(settings_of(url)) for service, url in urls.items()}
        self._publisher: Publisher
        self._commands: _Commands
        self._calls: list[float] = []

    def run(self, job: Job) -> Report:
        """Publish for the time of the job, and until what was begun is accepted."""
        workload = WORKLOADS[job.workload]
        self._publisher = self._publishers[workload.service]
        return self._publish(job, workload.command)

    def _publish(self, job: Job, make: Make) -> Report:
        self._commands, self._calls = _Commands(job, make), []
        started = time.time()
        asyncio.run(self._open(job) if job.rate is not None else self._closed(job))
        return Report(
            started=started,
            sent=self._commands.good,
            counted=self._commands.good,
            seconds=time.time() - started,
            refused=self._commands.bad,
            call_ms=percentiles(self._calls),
        )

    def close(self) -> None:
        """Close the publishers."""
        for publisher in self._publishers.values():
            publisher.close()

    async def _open(self, job: Job) -> None:
        assert job.rate is not None
        calls = set()
        schedule = Schedule(job.rate, job.seconds, job.seed)
        while (due := schedule.next) is not None:
            await asyncio.sleep(max(0.0, due - time.time()))
            for commands in self._in_calls(self._commands.due(schedule.due(CALL))):
                calls.add(call := asyncio.create_task(self._call(commands)))
                call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    async def _call(self, commands: list[Command]) -> None:
        began = time.perf_counter()
        await self._accepted(commands)
        self._calls.append((time.perf_counter() - began) * 1000)

    @abstractmethod
    async def _closed(self, job: Job) -> None:
        """Publish as much as goes."""

    @abstractmethod
    def _in_calls(self, commands: list[Command]) -> list[list[Command]]:
        """Return commands as they go into calls."""

    @abstractmethod
    async def _accepted(self, commands: list[Command]) -> None:
        """Make one call."""


class Single(_Publishing):
    """One command a call."""

    async def _closed(self, job: Job) -> None:
        end = time.time() + job.seconds

        async def one_after_the_other() -> None:
            while (now := time.time()) < end and self._commands.good < job.most:
                for command in self._commands.next(now):
                    await self._call([command])

        await asyncio.gather(*(one_after_the_other() for _ in range(TASKS)))

    def _in_calls(self, commands: list[Command]) -> list[list[Command]]:
        return [[command] for command in commands]

    async def _accepted(self, commands: list[Command]) -> None:
        await self._publisher.apublish(commands[0])


class Many(_Publishing):
    """Many commands a call."""

    async def _closed(self, job: Job) -> None:
        end = time.time() + job.seconds
        while (now := time.time()) < end and self._commands.good < job.most:
            await self._call(self._commands.due([now] * CALL))

    def _in_calls(self, commands: list[Command]) -> list[list[Command]]:
        return [commands]

    async def _accepted(self, commands: list[Command]) -> None:
        await self._publisher.apublish_many(commands)
