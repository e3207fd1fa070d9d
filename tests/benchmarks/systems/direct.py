"""Services that write directly, and the limit: one connection that makes commands and applies them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.benchmarks.driver import Driver
from tests.benchmarks.place import Place
from tests.benchmarks.systems.base import Running, System

_PROCESSES = 4
"""Services of which each has its share of the connections."""


@contextmanager
def drivers(load: str, arguments: list[dict[str, Any]], environment: dict[str, str]) -> Iterator[list[Driver]]:
    """Start a load process for each of the arguments; end them."""
    started = [Driver(load, each, environment) for each in arguments]
    try:
        for driver in started:
            driver.wait_ready()
        yield started
    finally:
        for driver in started:
            driver.end()


def direct(connections: int, *, variants: bool = False) -> System:
    """Return the system with so many connections."""

    @contextmanager
    def running(place: Place) -> Iterator[Running]:
        with services(place.url, connections) as started:
            yield Running(started, "services")

    about = f"psycopg2 from {connections} connections of {_PROCESSES} processes, one transaction a command"
    return System(f"direct-{connections}", about, running, variants=variants)


def services(url: str, connections: int) -> AbstractContextManager[list[Driver]]:
    """Start services that write directly to a URL."""
    each = {"url": url, "connections": connections // _PROCESSES}
    return drivers("tests.benchmarks.loads.direct:Direct", [each] * _PROCESSES, dict(os.environ))


@contextmanager
def _limit(place: Place) -> Iterator[Running]:
    url = place.url.replace("postgresql:", "postgresql+psycopg2:")
    with drivers("tests.benchmarks.loads.limit:Limit", [{"url": url}], dict(os.environ)) as started:
        yield Running(started, "applier")


limit = System(
    "limit", "one psycopg2 connection that makes commands and runs the set-based SQL: no queue, no ledger", _limit
)
