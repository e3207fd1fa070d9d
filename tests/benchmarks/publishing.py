"""How fast commands are published and confirmed, beside what Celery's own `send_task` does in the same run.

``python -m tests.benchmarks.publishing``; medians of interleaved rounds, in commands a second.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from celery import Celery
from rich.console import Console
from rich.table import Table

from tests.broker import Vhost, vhost_of
from tests.sample import Deposit, accounts
from tests.servers import servers_running
from writegate.message.topology import queue_name
from writegate.publishing import Publisher

ROUNDS = 3
THREADS = 32
TASKS = 1000
SINGLES = 20_000
STOCK = 6_000
MANY = 200_000
CALL = 5_000  # commands in one call of publish_many
KEYS = 5_000

Way = Callable[[Vhost, Publisher, Celery], int]


def commands(count: int, first: int = 0, step: int = 1) -> Iterator[Deposit]:
    """Yield commands of many keys in all lanes."""
    return (Deposit(account=f"a-{number % KEYS}", amount=1) for number in range(first, count, step))


def send_task(_: Vhost, __: Publisher, app: Celery) -> int:
    """One thread, a confirm for each."""
    for number in range(STOCK):
        _send(app, number)
    return STOCK


def send_task_threads(_: Vhost, __: Publisher, app: Celery) -> int:
    """Threads with a connection each."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda number: _send(app, number), range(STOCK)))
    return STOCK


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


def publish(_: Vhost, publisher: Publisher, __: Celery) -> int:
    """One thread, one command after the other."""
    for command in commands(SINGLES // 10):
        publisher.publish(command)
    return SINGLES // 10


def publish_threads(_: Vhost, publisher: Publisher, __: Celery) -> int:
    """Threads that share the publisher."""
    with ThreadPoolExecutor(THREADS) as threads:

        def each(first: int) -> None:
            for command in commands(SINGLES, first, THREADS):
                publisher.publish(command)

        list(threads.map(each, range(THREADS)))
    return SINGLES


def apublish_tasks(_: Vhost, publisher: Publisher, __: Celery) -> int:
    """Tasks of one event loop that share the publisher."""

    async def main() -> None:
        async def each(first: int) -> None:
            for command in commands(SINGLES, first, TASKS):
                await publisher.apublish(command)

        await asyncio.gather(*map(each, range(TASKS)))

    asyncio.run(main())
    return SINGLES


def both(vhost: Vhost, publisher: Publisher, app: Celery) -> int:
    """All these threads and tasks at the same time."""
    with ThreadPoolExecutor(2) as sides:
        counts = [sides.submit(way, vhost, publisher, app) for way in (publish_threads, apublish_tasks)]
        return sum(count.result() for count in counts)


def publish_many(_: Vhost, publisher: Publisher, __: Celery) -> int:
    """One thread, many in a call."""
    for _round in range(MANY // CALL):
        publisher.publish_many(commands(CALL))
    return MANY


WAYS: dict[str, Way] = {
    "send_task, 1 thread": send_task,
    f"send_task, {THREADS} threads": send_task_threads,
    "publish, 1 thread": publish,
    f"publish, {THREADS} threads": publish_threads,
    f"apublish, {TASKS:,} tasks": apublish_tasks,
    f"{THREADS} threads and {TASKS:,} tasks": both,
    "publish_many": publish_many,
}


@contextmanager
def stock_application(vhost: Vhost) -> Iterator[Celery]:
    """Yield a Celery application whose messages are confirmed, as ours are."""
    with Celery("stock", broker=vhost.url()) as app:
        app.conf.broker_transport_options = {"confirm_publish": True}
        app.conf.task_send_sent_event = False
        app.conf.broker_pool_limit = THREADS
        yield app


def measure(vhost: Vhost) -> dict[str, list[float]]:
    """Run every way in turn, round by round; return commands a second."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with Publisher(vhost.settings()) as publisher, stock_application(vhost) as app:
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                for lane in range(accounts.lanes):
                    with vhost.channel() as channel:
                        channel.queue_purge(queue_name(accounts.name, lane))
                started = time.perf_counter()
                count = way(vhost, publisher, app)
                rates[name].append(count / (time.perf_counter() - started))
    return rates


def main() -> None:
    """Measure and print."""
    with servers_running() as servers, vhost_of(servers, "publishing") as vhost:
        vhost.declare(accounts)
        rates = measure(vhost)
    best = max(statistics.median(rates[name]) for name in WAYS if name.startswith("send_task"))
    table = Table("way", "commands/s", "lowest", "highest", "x best send_task", box=None)
    for name, each in rates.items():
        middle = statistics.median(each)
        table.add_row(name, f"{middle:,.0f}", f"{min(each):,.0f}", f"{max(each):,.0f}", f"{middle / best:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
