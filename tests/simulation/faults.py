"""What goes wrong, and when: chosen by the seed, until it is told to stop."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.database import Lock, Row, Session
from tests.simulation.link import Link
from tests.simulation.services import BANK, METERS, PARCELS

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOST_WRITERS = 4
_SQLSTATES = ("40001", "40P01", "53100", "57014", "25006")
_TASKS = [task for service in (BANK, METERS, PARCELS) for task in service.commands]
_TARGETS = ["bank", "bank.1", "meters", "table:bank.total", "meters key=p0.0.meters.0", "bank key=p1.0.bank.0", *_TASKS]


@dataclass
class Faults:
    """The faults of one history."""

    random: Random
    request_rate: float = 0.0  # of database requests that something happens to
    slow_rate: float = 0.0  # of requests inside a transaction that take long
    active: bool = True
    broken_until: dict[str, float] = field(default_factory=dict)
    world: World | None = None

    # What happens to a request.

    def fault_at(self, session: Session, what: str) -> str | None:
        """Choose what goes wrong with a request of a writer."""
        if not self.active or self.random.random() >= self.request_rate:
            return None
        if what == "COMMIT":
            return self.random.choice(("before", "after", "late"))
        return self.random.choice(("before", "after", *_SQLSTATES))

    def delay(self, session: Session) -> None:
        """Now and then the server takes its time."""
        assert self.world is not None
        if self.active and session.changes is not None and self.random.random() < self.slow_rate:
            self.world.schedule.pause(self.random.choice((0.1, 1.0, 3.0)))

    def committed(self, session: Session, changes: dict[Lock, Row]) -> None:
        """Tell the checks."""
        assert self.world is not None
        self.world.checks.committed(session, changes)

    def broken(self, task: str) -> bool:
        """Whether a command type's deployment is broken now."""
        assert self.world is not None
        return self.active and self.world.schedule.now < self.broken_until.get(task, 0.0)

    # What happens to everybody.

    def run(self, world: World, chosen: list[str], pause_seconds: float) -> None:
        """Inject faults of the chosen kinds until told to stop."""
        while self.active:
            world.schedule.pause(self.random.random() * pause_seconds)
            if self.active and world.writers:
                kind = self.random.choice(chosen)
                world.history.add(world.schedule.now, "fault", "{}", kind)
                KINDS[kind](world, self.random)


def _crash(world: World, random: Random) -> None:
    world.crash(random.choice(world.writers), 0.3 + 3.0 * random.random())


def _crash_publisher(world: World, random: Random) -> None:
    world.crash_publisher(random.choice(world.publishers))


def _pause(world: World, random: Random) -> None:
    writer = random.choice(world.writers)
    world.freeze(writer, random.choice((1.0, 4.0, 9.0, 15.0)))


def _cut_writer(world: World, random: Random) -> None:
    _cut(world, random, "writer")


def _cut_publisher(world: World, random: Random) -> None:
    _cut(world, random, "p")


def _cut(world: World, random: Random, prefix: str) -> None:
    links: list[Link] = [link for link in world.broker.links() if link.up and link.name.startswith(prefix)]
    if links:
        link = random.choice(links)
        (world.broker.gone if random.random() < 0.5 else world.broker.forget)(link)


def _close_channel(world: World, random: Random) -> None:
    writer = random.choice(world.writers)
    connection = writer.hub.connection
    if connection is not None and connection.link.channels:
        channel = random.choice(connection.link.channels)
        world.broker.close(channel)
        channel.link.answer(channel.on_close)


def _fill_queue(world: World, random: Random) -> None:
    queue = random.choice(sorted(world.broker.queues.values(), key=lambda queue: queue.name))
    queue.limit = random.choice((0, 1, 2))
    world.database.later(3.0 * random.random(), lambda: setattr(queue, "limit", world.broker.limit))


def _restart_broker(world: World, random: Random) -> None:
    world.broker.restart(3.0 * random.random())


def _restart_database(world: World, random: Random) -> None:
    world.database.restart(3.0 * random.random())


def _kill_session(world: World, random: Random) -> None:
    if world.database.sessions:
        random.choice(world.database.sessions).terminate()


def _break_deployment(world: World, random: Random) -> None:
    world.faults.broken_until[random.choice(_TASKS)] = world.schedule.now + 5.0 * random.random()


def _hold(world: World, random: Random) -> None:
    until = world.schedule.now + 6.0 * random.random()
    world.place_hold(random.choice(_TARGETS), until)


def _expire_leases(world: World, random: Random) -> None:
    world.expire(random.choice(sorted(world.database.tables["domain"])))


def _stop(world: World, random: Random) -> None:
    able = [writer for writer in world.writers if not writer.stopping]
    if able:
        world.stop(random.choice(able), replace=len(able) == 1 or random.random() < 0.5)


def _start(world: World, random: Random) -> None:
    if len(world.writers) < _MOST_WRITERS:
        world.start()


def _release(world: World, random: Random) -> None:
    world.released = True


def _alarm(world: World, random: Random) -> None:
    world.broker.alarm(4.0 * random.random())


KINDS: dict[str, Callable[[World, Random], None]] = {
    "crash a writer": _crash,
    "kill a publisher": _crash_publisher,
    "freeze a writer": _pause,
    "cut a writer's connection to the broker": _cut_writer,
    "cut a publisher's connection": _cut_publisher,
    "close a channel": _close_channel,
    "fill a queue": _fill_queue,
    "restart the broker": _restart_broker,
    "restart the database": _restart_database,
    "kill a session": _kill_session,
    "break a deployment": _break_deployment,
    "place a hold": _hold,
    "expire a lease": _expire_leases,
    "stop a writer": _stop,
    "start a writer": _start,
    "release a version": _release,
    "raise a memory alarm": _alarm,
}
