"""How fast a backlog is drained: published while its service is held, and applied when it is released."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.loads.writegate import CALL, TASKS, settings_of
from tests.benchmarks.place import Place
from tests.benchmarks.systems.writegate import WRITER, start_writer
from tests.benchmarks.watch import Seen, Watch
from tests.benchmarks.workloads import WORKLOADS
from writegate import Command
from writegate.message.topology import queue_name
from writegate.publishing import Publisher

WORKLOAD = WORKLOADS["tpcb-1"]
_PATIENCE_SECONDS = 60.0
_SLOWEST_PER_S = 500.0
"""Commands a second that even a slow and busy machine applies: a backlog may take as long as that, and no longer."""

Publish = Callable[[Publisher, Iterable[Command]], None]


def packed(publisher: Publisher, commands: Iterable[Command]) -> None:
    """Publish many in a call."""
    left = iter(commands)
    while call := list(itertools.islice(left, CALL)):
        publisher.publish_many(call)


def single(publisher: Publisher, commands: Iterable[Command]) -> None:
    """Publish one a message, from many tasks."""
    left = iter(commands)

    async def one_after_the_other() -> None:
        for command in left:
            await publisher.apublish(command)

    async def all_of_them() -> None:
        await asyncio.gather(*(one_after_the_other() for _ in range(TASKS)))

    asyncio.run(all_of_them())


@dataclass(frozen=True)
class Drained:
    """One backlog. ``effects_per_s``: from the begin of its first transaction to the end of its last."""

    commands: int
    effects_per_s: float
    exact: bool
    seen: Seen
    """From before the first command was published."""


class Drain:
    """A writer, and what is published to it."""

    def __init__(self, place: Place, pid: int) -> None:
        self._place = place
        self._gate = place.gate
        self._pid = pid

    def measure(self, commands: Iterable[Command], count: int, publish: Publish) -> Drained:
        """Publish ``count`` commands, then have them applied. The ledger is left as it is."""
        gate = self._gate
        before = gate.database.value("select coalesce(max(id), 0) from writegate.batch")
        [effects] = self._place.row(WORKLOAD.effects)
        with Watch(self._place.url, {"writer": [self._pid], **self._place.server_processes()}) as watch:
            with self._held(), Publisher(settings_of(gate.broker.url(WORKLOAD.service))) as publisher:
                publish(publisher, commands)
            decided = "select coalesce(sum(commands), 0) >= %s from writegate.batch where id > %s"
            gate.wait(
                lambda: gate.database.value(decided, [count, before]),
                f"{count} commands decided",
                _patience_seconds(count),
            )
        seconds = gate.database.value(
            "select extract(epoch from max(committed_at) - min(started_at))::float8 from writegate.batch where id > %s",
            [before],
        )
        [now] = self._place.row(WORKLOAD.effects)
        return Drained(count, count / seconds, now - effects == count, watch.seen)

    @contextmanager
    def _held(self) -> Iterator[None]:
        service = WORKLOAD.service
        insert = "insert into writegate.hold (target, reason, holder) values (%s, 'a backlog is made', 'benchmark')"
        self._gate.database.sql(insert, [service])
        self._gate.wait(lambda: not self._consumers(), f"{service} is not consumed")
        yield
        self._gate.database.sql("delete from writegate.hold where target = %s", [service])

    def _consumers(self) -> int:
        with self._gate.broker.channel() as channel:
            declared = channel.queue_declare(queue_name(WORKLOAD.service, 0), passive=True)
            return int(declared.method.consumer_count)


def _patience_seconds(commands: int) -> float:
    return _PATIENCE_SECONDS + commands / _SLOWEST_PER_S


@contextmanager
def draining(place: Place) -> Iterator[Drain]:
    """Run a writer for some backlogs."""
    try:
        yield Drain(place, start_writer(place.gate).process.pid)
    finally:
        place.gate.writers.stop(WRITER)
