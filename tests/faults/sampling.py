"""Asking the database something again and again while faults happen."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from typing import ClassVar, Self

import psycopg2

from tests.deadlines import patient
from tests.integration.gate import Gate


class Sampling(ABC):
    """Asks as long as the block lasts, and checks the answers at its end.

    Its own connection is a superuser's, so it gets in when nobody else does. It waits for a database that is down.
    """

    every_seconds: ClassVar[float] = 0.05

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join(patient(10))
        if kind is None:
            self.check()

    @abstractmethod
    def check(self) -> None:
        """Fail when an answer was wrong."""

    @abstractmethod
    def sample(self, cursor: psycopg2.extensions.cursor) -> None:
        """Ask once."""

    def _run(self) -> None:
        while not self._stop.wait(self.every_seconds):
            with suppress(psycopg2.Error), closing(self.gate.servers.superuser(self.gate.name)) as connection:
                self._run_on(connection)

    def _run_on(self, connection: psycopg2.extensions.connection) -> None:
        with connection.cursor() as cursor:
            while not self._stop.wait(self.every_seconds):
                self.sample(cursor)
                self.samples += 1
