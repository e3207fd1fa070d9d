"""Services that write directly, and the limit of one connection that has all commands in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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
        for one in started:
            one.wait_ready()
        yield started
    finally:
        for one in started:
            one.end()


def direct(connections: int, *, variants: bool = False) -> System:
    """Return the system with so many connections."""
    return System(
        f"direct-{connections}",
        f"psycopg2 from {connections} connections of {_PROCESSES} processes, one transaction a command",
        direct_through(lambda place: place.url, connections),
        variants=variants,
    )


def direct_through(url: Callable[[Place], str], connections: int) -> Callable[[Place], AbstractContextManager[Running]]:
    """Return what runs clients of a URL."""

    @contextmanager
    def running(place: Place) -> Iterator[Running]:
        each = {"url": url(place), "connections": connections // _PROCESSES}
        with drivers("tests.benchmarks.loads.direct:Direct", [each] * _PROCESSES, dict(os.environ)) as started:
            yield Running(started, "services")

    return running


@contextmanager
def _limit(place: Place) -> Iterator[Running]:
    url = place.url.replace("postgresql:", "postgresql+psycopg2:")
    with drivers("tests.benchmarks.loads.limit:Limit", [{"url": url}], dict(os.environ)) as started:
        yield Running(started, "applier")


limit = System("limit", "one psycopg2 connection, the writer's set-based SQL from memory, no queue, no ledger", _limit)
