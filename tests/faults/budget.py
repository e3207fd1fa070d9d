"""How many connections the writers have, sampled all the time, against the budget."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from typing import Final, Self

import psycopg2

from tests.integration.gate import WRITER, Gate

EVERY_SECONDS: Final = 0.05
_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"


class Budget:
    """Samples the connections of the writer role as long as the block lasts; fails when there were too many.

    Its own connection is a superuser's, so it gets in when nobody else does. It waits for a database that is down.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="budget", daemon=True)
        self.most = 0
        self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail when the budget was exceeded, or nothing was seen."""
        allowed = self._gate.connections
        assert self.samples > 10, f"the connections were looked at {self.samples} times only"
        assert 0 < self.most <= allowed, f"the writers had {self.most} connections at once, the budget is {allowed}"

    def _sample(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with suppress(psycopg2.Error), closing(self._gate.servers.superuser(self._gate.name)) as connection:
                self._sample_over(connection)

    def _sample_over(self, connection: psycopg2.extensions.connection) -> None:
        with connection.cursor() as cursor:
            while not self._stop.wait(EVERY_SECONDS):
                cursor.execute(_COUNT, [WRITER])
                [count] = cursor.fetchone() or (0,)
                self.most = max(self.most, count)
                self.samples += 1
