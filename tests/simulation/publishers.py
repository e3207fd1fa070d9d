"""Services that publish: each thread makes calls one after the other, and calls again until it is told accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from tests.simulation.checks import Checks
from tests.simulation.schedule import Group
from tests.simulation.services import (
    BANK,
    METERS,
    PARCELS,
    RAISED,
    Note,
    Numbered,
    Order,
    Pay,
    Read,
    Settle,
    Tick,
    Track,
)
from tests.simulation.spools import SimulatedSpool
from tests.simulation.writers import SimulatedPublisher, Surroundings
from writegate.contract.command import contract_of
from writegate.contract.lanes import lane_of
from writegate.errors import RetryablePublishError
from writegate.message.envelope import Item, item_of
from writegate.message.topology import ANY, Route, exchange_name, route_of
from writegate.publishing.engine import WhenFull

_AGAIN_SECONDS = 0.2
_CALL_SECONDS = 3.0
_GOOD_SECONDS = 7.0
_KINDS: tuple[type[Numbered], ...] = (Pay, Order, Settle, Note, Read, Tick, Track)
_SERVICES = {service.name: service for service in (BANK, METERS, PARCELS)}


@dataclass(frozen=True)
class Load:
    """How much is published, and what."""

    calls: int
    keys: int
    bad: float  # share of commands that break a constraint, are rejected by the handler or refused by a trigger
    killing: float  # share of threads of which one command ends the process that applies it
    any: bool  # whether some threads let the gate find the lane
    pause_seconds: float
    spool: int | None  # how many commands fit into a publisher's spool
    when_full: WhenFull


class Publisher:
    """A process with some threads."""

    def __init__(self, around: Surroundings, name: str, threads: int, load: Load, checks: Checks) -> None:
        self._around = around
        self._load = load
        self._checks = checks
        self.group = Group(name)
        self.spool = SimulatedSpool(load.spool) if load.spool is not None else None
        self._publisher = SimulatedPublisher(around, self.group, self.spool, load.when_full)
        self.running = threads
        for number in range(threads):
            thread = _Thread(around.random, f"{name}.{number}", load, around)
            around.schedule.spawn(f"{name}/{number}", self.group, partial(self._run, thread))

    def succeed(self, name: str) -> None:
        """Start another process in place of this one, which was killed: it finds the spool, and publishes nothing."""
        self.group = Group(name)
        self.running = 0
        self._publisher = SimulatedPublisher(self._around, self.group, self.spool, self._load.when_full)

    def publish_good(self, while_: Callable[[], bool]) -> None:
        """Publish a good command of each type now and then: traffic goes on, and shows what works."""
        thread = _Thread(self._around.random, f"{self.group.name}.good", self._load, self._around)
        while True:
            self._around.schedule.pause(_GOOD_SECONDS)
            if while_():
                self._until_accepted(thread, thread.good_of_each_type())

    def _run(self, thread: _Thread) -> None:
        schedule, random = self._around.schedule, self._around.random
        for _ in range(self._load.calls):
            schedule.pause(random.random() * self._load.pause_seconds)
            commands = thread.make()
            accepted = self._until_accepted(thread, commands)
            if accepted and random.random() < 0.1:
                self._until_accepted(thread, commands[:1])  # the caller forgot that it had been told
        self.running -= 1

    def _until_accepted(self, thread: _Thread, commands: list[Numbered]) -> bool:
        schedule = self._around.schedule
        addressed = [(thread.route_of(item), item) for item in map(item_of, commands)]
        self._checks.published(thread.name, commands)
        while True:
            answer = self._publisher.hand_in(addressed, schedule.now + _CALL_SECONDS)
            schedule.until(answer.done, float("inf"), 0.03)
            error = answer.exception()
            if error is None:
                self._checks.accepted(thread.name, commands)
                thread.accepted(commands)
                return True
            if not isinstance(error, RetryablePublishError):
                raise error
            if self._around.random.random() < 0.03:
                return False  # it gives up: what it made may or may not arrive
            schedule.pause(_AGAIN_SECONDS)


class _Thread:
    """What one thread makes: its keys are its own, since nothing orders two publishers."""

    def __init__(self, random: Random, name: str, load: Load, around: Surroundings) -> None:
        self.name = name
        self._random = random
        self._load = load
        self._any = load.any and random.random() < 0.5
        self._fresh_id = around.fresh_id
        self._numbers: dict[str, int] = {}
        self._orders: list[str] = []
        self._kills = load.killing > 0 and random.random() < load.killing

    def make(self) -> list[Numbered]:
        """Return the commands of one call."""
        return [self._one() for _ in range(self._random.randint(1, 4))]

    def good_of_each_type(self) -> list[Numbered]:
        """Return a good command of each type that may be bad, in each lane: some lanes are domains of their own."""
        commands: list[Numbered] = []
        for kind in (Pay, Settle, Note, Read, Tick):
            for key in _key_of_each_lane(contract_of(kind).service, self.name):
                n = self._numbers[key] = self._numbers.get(key, 0) + 1
                commands.append(kind(key=key, n=n).with_id(self._fresh_id()))
        return commands

    def accepted(self, commands: list[Numbered]) -> None:
        """Take note of what was accepted: what comes later may refer to it."""
        self._orders += [command.command_id for command in commands if isinstance(command, Order)]

    def _one(self) -> Numbered:
        random = self._random
        kind = random.choice(_KINDS if self._orders else _KINDS[:-1])
        key = f"{self.name}.{contract_of(kind).service}.{int(random.random() * self._load.keys)}"
        n = self._numbers[key] = self._numbers.get(key, 0) + 1
        given: dict[str, Any] = {"order": random.choice(self._orders)} if kind is Track else {}
        if kind not in (Order, Track):
            given["bad"] = self._wrong()
        return kind(key=key, n=n, **given).with_id(self._fresh_id())

    def _wrong(self) -> str:
        random = self._random
        if self._kills and random.random() < 0.2:
            self._kills = False
            return "kills"
        wrong = random.choice(("breaks a constraint", "is wrong", "is declined", *RAISED))
        return wrong if random.random() < self._load.bad else ""

    def route_of(self, item: Item) -> Route:
        """Return where this thread sends a command."""
        service = _SERVICES[item.task.partition(".")[0]]
        if self._any:
            return Route(exchange_name(service.name), ANY)
        return route_of(service.name, item.key, service.lanes)


def _key_of_each_lane(service: str, name: str) -> list[str]:
    lanes = _SERVICES[service].lanes
    keys = [f"{name}.{service}.{number}" for number in range(20 * lanes)]
    return list({lane_of(key, lanes): key for key in reversed(keys)}.values())
