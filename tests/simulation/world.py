"""One history: everything put together from a seed, run until all is drained, and checked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from random import Random

from tests.simulation import logs, services
from tests.simulation.broker import Broker
from tests.simulation.checks import Checks
from tests.simulation.database import Database
from tests.simulation.faults import KINDS, Faults
from tests.simulation.history import History, Violation
from tests.simulation.publishers import Load, Publisher
from tests.simulation.schedule import Group, Schedule
from tests.simulation.store import START
from tests.simulation.writers import Parts, Surroundings, Writer
from writegate.config import Settings

# A command that kills is given up after ten deliveries and three deaths, and after each the lease has to run out. There
# may be several of them, and a budget of connections for one writer only, for which several contend meanwhile.
_LONGEST_SECONDS = 1200.0
_LOOK_SECONDS = 0.5


class World:
    """All parts of one history."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.random = random = Random(seed)
        self.history = History()
        self.schedule = schedule = Schedule(random, self.history)
        self.checks = Checks(schedule, self.history)
        self.faults = Faults(
            random, request_rate=random.choice((0.0, 0.005, 0.03)), slow_rate=random.choice((0.0, 0.02)), world=self
        )
        limit = random.choice((6, 40, 100_000))
        served = [service.service for service in services.SERVED.values()]
        self.broker = Broker(schedule, random, self.history, served, limit)
        slots = random.choice((1, 2))
        writers = random.choice((2, 3))
        budget = writers * (slots + 1) - random.choice((0, 0, 1, 2))
        self.database = Database(schedule, random, self.history, self.faults, budget)
        self.database.tables["domain"] = {name: (None, 0, float("-inf")) for name in services.DOMAINS}
        settings = Settings.model_validate(
            {"connections": budget, "slots": slots, "batch_commands": random.choice((1, 4, 1000))}
        )
        self.slots = slots
        self.surroundings = Surroundings(
            schedule=schedule,
            random=random,
            broker=self.broker,
            database=self.database,
            settings=settings,
            parts=parts,
            fresh_id=self._fresh_id,
            broken=self.faults.broken,
            memory_bytes=random.choice((10_000, 1_000_000)),
        )
        self.writers: list[Writer] = []
        self.released = random.random() < 0.5  # whether writers that start now know the newest contracts
        self._started = 0
        for _ in range(writers):
            self.start()
        load = Load(
            calls=random.choice((5, 10, 15)),
            keys=random.choice((1, 3)),
            bad=random.choice((0.0, 0.05, 0.2)),
            killing=random.choice((0.0, 0.0, 0.0, 0.0, 0.3)),
            any=random.random() < 0.5,
            pause_seconds=random.choice((0.1, 1.0, 2.0)),
            spool=random.choice((None, 3, 1000)),
            when_full=random.choice(("spool", "wait", "fail")),
        )
        self.publishers = [Publisher(self.surroundings, f"p{number}", 2, load, self.checks) for number in range(2)]
        self._over = False
        last = Publisher(self.surroundings, "last", 0, replace(load, spool=None, when_full="wait"), self.checks)
        schedule.spawn("last", last.group, lambda: last.publish_good(self._waits_for_good))
        schedule.spawn("fault", Group("fault"), self._inject)
        schedule.spawn("observer", Group("observer"), self._observe)
        operator = parts.operator(self.database, random, lambda: self.faults.active, self.checks.unfinished)
        schedule.spawn("operator", operator.group, operator.run)

    def run(self) -> None:
        """Run it to its end. Raises :class:`Violation` when something does not hold."""
        with logs.kept(self.history, self.schedule):
            try:
                self.schedule.run(lambda: self._over or self.schedule.now > _LONGEST_SECONDS)
                if not self._over:
                    raise Violation(f"not drained after {_LONGEST_SECONDS:.0f} s: {'; '.join(self._left()[:5])}")
                self.checks.complete(self.database)
            finally:
                self.schedule.end()

    # What faults are made of.

    def start(self) -> None:
        """Start a writer."""
        served = services.SERVED if self.released else services.FORMERLY_SERVED
        self.writers.append(Writer(self.surroundings, f"writer{self._started}", served, self._exits))
        self._started += 1

    def crash(self, writer: Writer, seconds: float) -> None:
        """Kill a writer; another starts after a while."""
        if writer in self.writers:
            self._end(writer)
            self.database.later(seconds, self.start)

    def stop(self, writer: Writer, *, replace: bool) -> None:
        """Stop a writer in order; with ``replace`` another starts when it has ended."""
        if writer in self.writers and not writer.stopping:
            self.history.add(self.schedule.now, "operator", "stops {}", writer.group.name)
            writer.stop(replace)

    def _exits(self, writer: Writer, replace: bool) -> None:
        """A writer ends of its own: it was told to, or what it applies kills it."""
        self.history.add(self.schedule.now, writer.group.name, "ends")
        self._end(writer)
        if replace:
            self.database.later(3.0 * self.random.random(), self.start)

    def _end(self, writer: Writer) -> None:
        self.writers.remove(writer)
        self.schedule.kill(writer.group)
        self.database.gone(writer.group)
        for link in list(self.broker.links()):
            if link.up and link.name.startswith(f"{writer.group.name}/"):
                self.broker.gone(link)

    def crash_publisher(self, publisher: Publisher) -> None:
        """Kill a publisher; another process starts at once."""
        name = publisher.group.name
        self.schedule.kill(publisher.group)
        for link in list(self.broker.links()):
            if link.up and link.name.startswith(f"{name}/"):
                self.broker.gone(link)
        publisher.succeed(f"{name}'")

    def freeze(self, writer: Writer, seconds: float) -> None:
        """Stop a writer for a while; the broker misses its heartbeats after some of it."""
        self.schedule.freeze(writer.group, seconds)
        for link in list(self.broker.links()):
            if link.up and link.name.startswith(f"{writer.group.name}/"):
                self.database.later(8.0, lambda link=link: self._miss(writer, link))  # type: ignore[misc]

    def _miss(self, writer: Writer, link: object) -> None:
        if writer.group.frozen_until > self.schedule.now:
            for known in list(self.broker.links()):
                if known is link:
                    self.broker.forget(known)

    def place_hold(self, target: str, until: float) -> None:
        """Place a hold, as an operator would."""
        self.database.tables.setdefault("hold", {})[target] = ("simulated", "operator", self.schedule.now, until)
        self.history.add(self.schedule.now, "operator", "holds {} until {:.1f}", target, until)

    def expire(self, domain: str) -> None:
        """Let a lease run out before its time."""
        if ("domain", domain) not in self.database.locks:
            owner, epoch, _ = self.database.tables["domain"][domain]
            self.database.tables["domain"][domain] = (owner, epoch, float("-inf"))
            self.history.add(self.schedule.now, "fault", "the lease of {} on {} runs out", owner, domain)

    # The course of a history.

    def _inject(self) -> None:
        chosen = self.random.sample(sorted(KINDS), self.random.randint(1, len(KINDS)))
        self.faults.run(self, chosen, self.random.choice((0.5, 2.0, 5.0)))

    def _observe(self) -> None:
        ends = 5.0 + 30.0 * self.random.random()
        while not self._over:
            self.schedule.pause(_LOOK_SECONDS)
            self.checks.bounded(self.database, self.writers, self.slots)
            if self.faults.active and self.schedule.now > ends:
                self.faults.active = False
                self.history.add(self.schedule.now, "fault", "no more")
                self._release()
            self._over = not self.faults.active and not self._left()

    def _release(self) -> None:
        """Replace all writers that do not know the newest contracts, one after the other."""
        self.released = True
        for writer in self.writers:
            if writer.served is not services.SERVED:
                self.database.later(5.0 * self.random.random(), partial(self.stop, writer, replace=True))

    def _waits_for_good(self) -> bool:
        """Whether all that is left to do may be to find out about commands that fail alone."""
        deferred = self.database.tables.get("deferred", {}).values()
        return not self.faults.active and any(state == "deferred" for _, state, _, _ in deferred)

    def _left(self) -> list[str]:
        """What is not drained yet."""
        tables = self.database.tables
        links = self.broker.links()
        return [
            *(f"{publisher.group.name} publishes" for publisher in self.publishers if publisher.running),
            *(
                f"{len(publisher.spool)} in the spool of {publisher.group.name}"
                for publisher in self.publishers
                if publisher.spool
            ),
            *(f"{len(queue.ready)} messages in {queue.name}" for queue in self.broker.queues.values() if queue.ready),
            *(
                f"{len(channel.unacked)} unacked on {link.name}"
                for link in links
                for channel in link.channels
                if channel.unacked
            ),
            *(f"{link.name} has sent" for link in links if link.to_broker),
            *(f"{row.item.task} {row.item.key} in the outbox of {of}" for of, row in tables.get("outbox", {}).values()),
            *(
                f"{row.item.task} {row.item.key} deferred in {of}"
                for of, state, _, row in tables.get("deferred", {}).values()
                if state == "deferred"
            ),
            *(
                f"{row.item.key} waits behind a parked command"
                for row in tables.get("parked", {}).values()
                if row.parks_key and row.state == "parked"
            ),
        ]

    def _fresh_id(self) -> str:
        """A UUIDv7, or (as of stock producers) a UUIDv4."""
        bits = self.random.getrandbits(128)
        if bits & 1:
            return str(uuid.UUID(int=bits, version=4))
        millis = int((START.timestamp() + self.schedule.now) * 1000)
        rest = bits & ~(0xFFFF_FFFF_FFFF << 80)
        return str(uuid.UUID(int=(millis << 80 | rest) & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62))
