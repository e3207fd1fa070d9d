"""How fast commands are published and confirmed, beside what Celery's own `send_task` does in the same run.

``python -m tests.benchmarks.publishing``; medians of interleaved rounds, in commands a second. ``--smoke``: one round
of few commands, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from celery import Celery
from rich.console import Console
from rich.table import Table

from tests.broker import Vhost, vhost_of
from tests.sample import Deposit, accounts
from tests.servers import servers_running
from writegate.message.topology import queue_name
from writegate.publishing import Publisher

THREADS = 32
TASKS = 1000
CALL = 5_000  # commands in one call of publish_many
KEYS = 5_000

Publish = Callable[[Publisher, Celery, int], None]


@dataclass(frozen=True)
class Way:
    """A way to publish: what is called with the number of commands, and how many there are at full size."""

    publish: Publish
    commands: int


@dataclass(frozen=True)
class Size:
    """How often each way is measured, and the part of its commands that is published."""

    rounds: int
    part: float


FULL, SMOKE = Size(3, 1.0), Size(1, 0.01)


def commands(count: int, first: int = 0, step: int = 1) -> Iterator[Deposit]:
    """Yield commands of many keys in all lanes."""
    return (Deposit(account=f"a-{number % KEYS}", amount=1) for number in range(first, count, step))


def send_task(_: Publisher, app: Celery, count: int) -> None:
    """One thread, a confirm for each."""
    for number in range(count):
        _send(app, number)


def send_task_threads(_: Publisher, app: Celery, count: int) -> None:
    """Threads with a connection each."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda number: _send(app, number), range(count)))


def _send(app: Celery, number: int) -> None:
    key = f"a-{number % KEYS}"
    app.send_task(
        "accounts.deposit",
        kwargs={"account": key, "amount": 1},
        exchange="writes.accounts",
        routing_key="any",
        declare=[],
        headers={"writegate-key": key},
    )


def publish(publisher: Publisher, _: Celery, count: int) -> None:
    """One thread, one command after the other."""
    for command in commands(count):
        publisher.publish(command)


def publish_threads(publisher: Publisher, _: Celery, count: int) -> None:
    """Threads that share the publisher."""
    with ThreadPoolExecutor(THREADS) as threads:

        def each(first: int) -> None:
            for command in commands(count, first, THREADS):
                publisher.publish(command)

        list(threads.map(each, range(THREADS)))


def apublish_tasks(publisher: Publisher, _: Celery, count: int) -> None:
    """Tasks of one event loop that share the publisher."""

    async def main() -> None:
        async def each(first: int) -> None:
            for command in commands(count, first, TASKS):
                await publisher.apublish(command)

        await asyncio.gather(*map(each, range(TASKS)))

    asyncio.run(main())


def both(publisher: Publisher, app: Celery, count: int) -> None:
    """All these threads and tasks at the same time, half of the commands each."""
    with ThreadPoolExecutor(2) as sides:
        for side in [sides.submit(way, publisher, app, count // 2) for way in (publish_threads, apublish_tasks)]:
            side.result()


def publish_many(publisher: Publisher, _: Celery, count: int) -> None:
    """One thread, many in a call."""
    for first in range(0, count, CALL):
        publisher.publish_many(commands(min(count, first + CALL), first))


WAYS: dict[str, Way] = {
    "send_task, 1 thread": Way(send_task, 6_000),
    f"send_task, {THREADS} threads": Way(send_task_threads, 6_000),
    "publish, 1 thread": Way(publish, 2_000),
    f"publish, {THREADS} threads": Way(publish_threads, 20_000),
    f"apublish, {TASKS:,} tasks": Way(apublish_tasks, 20_000),
    f"{THREADS} threads and {TASKS:,} tasks": Way(both, 40_000),
    "publish_many": Way(publish_many, 200_000),
}


@contextmanager
def stock_application(vhost: Vhost) -> Iterator[Celery]:
    """Yield a Celery application whose messages are confirmed, as ours are."""
    with Celery("stock", broker=vhost.url()) as app:
        app.conf.broker_transport_options = {"confirm_publish": True}
        app.conf.task_send_sent_event = False
        app.conf.broker_pool_limit = THREADS
        yield app


def measure(vhost: Vhost, size: Size) -> dict[str, list[float]]:
    """Run every way in turn, round by round; return commands a second."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with Publisher(vhost.settings()) as publisher, stock_application(vhost) as app:
        for _ in range(size.rounds):
            for name, way in WAYS.items():
                for lane in range(accounts.lanes):
                    with vhost.channel() as channel:
                        channel.queue_purge(queue_name(accounts.name, lane))
                count = round(way.commands * size.part)
                started = time.perf_counter()
                way.publish(publisher, app, count)
                rates[name].append(count / (time.perf_counter() - started))
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.publishing", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few commands: whether the benchmark runs")
    size = SMOKE if parser.parse_args().smoke else FULL
    with servers_running() as servers, vhost_of(servers, "publishing") as vhost:
        vhost.declare(accounts)
        rates = measure(vhost, size)
    best = max(statistics.median(rates[name]) for name in WAYS if name.startswith("send_task"))
    table = Table("way", "commands/s", "lowest", "highest", "x best send_task", box=None)
    for name, runs in rates.items():
        median = statistics.median(runs)
        table.add_row(name, f"{median:,.0f}", f"{min(runs):,.0f}", f"{max(runs):,.0f}", f"{median / best:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
