"""Single commands to many services, and single commands from many publishers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from random import Random
from threading import Thread

from pika.adapters.select_connection import IOLoop

from tests.benchmarks.jobs import Job, Report
from tests.benchmarks.loads.writegate import Single, settings_of
from tests.benchmarks.workloads import WORKLOADS
from writegate import Command
from writegate.config import Settings
from writegate.publishing import Publisher
from writegate.publishing.wire import Listener, Wire
from writegate_devkit.stack.readiness import wait_until

_CONNECTED_SECONDS = 120.0


class ManyServices(Single):
    """One publisher, whose user may publish to all of ``services``; their commands by turns."""

    def __init__(self, url: str, services: Sequence[str]) -> None:
        super().__init__({})
        self._publisher = Publisher(settings_of(url))
        self._turn = itertools.cycle([import_module(f"{name}.contract").Record for name in services])

    def run(self, job: Job) -> Report:
        return self._publish(job, self._make)

    def close(self) -> None:
        self._publisher.close()

    def _make(self, random: Random, _: bool, note: str) -> Command:
        command: Command = next(self._turn)(device=int(random.random() * 10_000), value=random.random(), note=note)
        return command


class _Wire(Wire):
    """A publisher's connection on a thread that it has in common with others.

    In service each publisher is a process: so many threads of one process would fight for its interpreter instead.
    """

    def __init__(self, settings: Settings, loop: IOLoop, listener: Listener) -> None:
        super().__init__(settings, listener)
        self._loop.close()
        self._loop = loop

    @property
    def running(self) -> bool:
        return True

    def start(self) -> None:
        self.post(self._connect)

    def stop(self, timeout: float) -> None:
        """Leave the connection to the end of the process."""


class ManyPublishers(Single):
    """So many publishers of one service, each with its own connection; they publish by turns."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__({})
        settings, loop = settings_of(url), IOLoop()
        self._crowd = [Publisher(settings, wire=partial(_Wire, settings, loop)) for _ in range(count)]
        Thread(target=loop.start, daemon=True).start()
        self._turn = itertools.cycle(self._crowd)
        if not wait_until(lambda: all(publisher.connected for publisher in self._crowd), _CONNECTED_SECONDS):
            raise RuntimeError(
                f"only {sum(publisher.connected for publisher in self._crowd)} of {count} publishers are connected"
            )

    def run(self, job: Job) -> Report:
        return self._publish(job, WORKLOADS[job.workload].command)

    def close(self) -> None:
        for publisher in self._crowd:
            publisher.close()

    async def _call(self, commands: list[Command]) -> None:
        self._publisher = next(self._turn)
        await super()._call(commands)
