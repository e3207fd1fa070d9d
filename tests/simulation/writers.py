"""A writer process: its real gate, turns, lanes and sharing, run by actors instead of threads."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, cast

from tests.simulation.broker import Broker
from tests.simulation.consuming import ConsumingChannel, Hub
from tests.simulation.database import Database, Session
from tests.simulation.leases import SimulatedLeases
from tests.simulation.link import ConnectionLost
from tests.simulation.operator import Operator
from tests.simulation.publishing import SimulatedWire
from tests.simulation.schedule import Group, Schedule
from tests.simulation.services import DOMAINS
from tests.simulation.spools import SimulatedSpool
from tests.simulation.store import START, SimulatedStore
from writegate.config import Settings
from writegate.message.envelope import Item
from writegate.message.topology import Route
from writegate.publishing.engine import Engine, WhenFull
from writegate.publishing.pipeline import Call, parcels_of
from writegate_writer.apply.turn import Turns
from writegate_writer.broker.lanes import Lanes
from writegate_writer.errors import DatabaseFault
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.sharing import Sharing

_IDLE_SECONDS = 0.3
_TICK_SECONDS = 0.5
_USELESS_SECONDS = 5.0
_STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Parts:
    """What a negative control replaces by something broken: parts of a process, or how people act."""

    wire: type[SimulatedWire] = SimulatedWire
    channel: type[ConsumingChannel] = ConsumingChannel
    store: type[SimulatedStore] = SimulatedStore
    operator: type[Operator] = Operator


@dataclass(frozen=True)
class Surroundings:
    """What every process shares."""

    schedule: Schedule
    random: Random
    broker: Broker
    database: Database
    settings: Settings
    parts: Parts
    fresh_id: Callable[[], str]
    broken: Callable[[str], bool]
    memory_bytes: int


_SPOOL_SECONDS = 0.75  # before its time limit a call turns to the spool


class SimulatedClock:
    """A :class:`~writegate_writer.schedule.ports.Clock`."""

    def __init__(self, schedule: Schedule, random: Random) -> None:
        self._schedule = schedule
        self.spread = random.random
        self.pause = schedule.pause

    def now(self) -> datetime:
        return datetime.fromtimestamp(START.timestamp() + self._schedule.now, UTC)

    def monotonic(self) -> float:
        return self._schedule.now


class SimulatedGate(DomainScheduler):
    """The gate in simulated time, looked into."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(lambda: schedule.now)

    def waiting_bytes(self) -> int:
        """What the inboxes hold."""
        inboxes = [queue for domain in self.domains() for queue in domain._inbox.values()]  # noqa: SLF001  nobody else asks
        return sum(one.held_bytes for queue in inboxes for one in queue)


class SimulatedPublisher:
    """A :class:`~writegate_writer.schedule.ports.Publishing` on the real engine, as the real publisher does it."""

    def __init__(
        self, around: Surroundings, group: Group, spool: SimulatedSpool | None = None, when_full: WhenFull = "fail"
    ) -> None:
        schedule = around.schedule
        self._spool = spool
        self.engine = Engine(
            lambda listener: cast(Any, around.parts.wire(schedule, around.broker, group, listener)),
            group.name,
            lambda *_: None,
            spool=cast(Any, spool),
            when_full=when_full,
            now=lambda: schedule.now,
            chance=around.random.random,
        )

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        return self.hand_in(addressed, None, headers)

    def hand_in(
        self,
        addressed: Sequence[tuple[Route, Item]],
        deadline: float | None,
        headers: Mapping[str, Any] | None = None,
    ) -> Future[None]:
        """Publish in one call, with a time limit."""
        future: Future[None] = Future()

        def finish(error: Exception | None) -> None:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        spool_at = deadline - _SPOOL_SECONDS if deadline is not None and self._spool is not None else None
        call = Call(finish, deadline, addressed[0][1].id, spool_at=spool_at)
        self.engine.submit(call, parcels_of(addressed, call, headers))
        return future

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        raise AssertionError("nothing published here asks for a reply: receipts are tested on real servers")


class Writer:
    """One process. It ends when it is killed or stopped; its successor is another object."""

    def __init__(
        self, around: Surroundings, name: str, served: Mapping[str, Served], exits: Callable[[Writer, bool], None]
    ) -> None:
        self.group = Group(name)
        self.served = served
        self.stopping = False
        self._around = around
        self._exits = exits  # called when it ends by itself, with whether another is to start
        self._schedule = schedule = around.schedule
        self.gate = SimulatedGate(schedule)
        self.lanes = Lanes(self.gate, around.memory_bytes, around.parts.channel)
        self.publisher = SimulatedPublisher(around, self.group)
        self._turns = Turns(
            settings=around.settings,
            name=name,
            services=served,
            scheduler=self.gate,
            consuming=self.lanes,
            publishing=self.publisher,
            clock=SimulatedClock(schedule, around.random),
        )
        together = {lane: lanes for lanes in DOMAINS.values() for lane in lanes}
        self._sharing = Sharing(around.settings, name, together, self.gate, self.lanes)
        self._controlled = False
        self._ticked_at = schedule.now
        self._connected = 0  # slots
        self.hub = Hub(
            schedule,
            around.random,
            around.broker,
            self.group,
            self.lanes,
            self.gate.waiting_bytes,
            around.memory_bytes,
            self._wake_slots,
        )
        self._ending = False
        self._control_actor = schedule.spawn(f"{name}/control", self.group, self._control)
        self._slots = [
            schedule.spawn(f"{name}/slot{number}", self.group, self._slot_of(number))
            for number in range(min(around.settings.slots, around.settings.connections - 1))
        ]

    def stop(self, replace: bool) -> None:
        """Have it end in order. ``replace``: whether another starts then."""
        self.stopping = True
        self.hub.stop(partial(self._stop, replace))

    def _stop(self, replace: bool) -> None:
        with suppress(ConnectionLost):  # it ends all the same, and gives back what it has as if it were killed
            self._stop_in_order()
        self._exits(self, replace)

    # As `Process.stop` does, on the hub thread.

    def _stop_in_order(self) -> None:
        self.gate.close()
        self._wake_slots()
        deadline = self._schedule.now + _STOP_SECONDS
        while not all(slot.ended for slot in self._slots) and self._schedule.now < deadline:
            self.lanes.run_posts()
            self._schedule.pause(0.01)
        self.publisher.engine.wire.stop(timeout=2.0)
        self.lanes.run_posts()
        self.lanes.close_all()
        self._ending = True
        self._schedule.wake(self._control_actor)
        self._schedule.until(lambda: self._control_actor.ended, 5.0)
        self.lanes.run_posts()

    def _die(self) -> None:
        self._exits(self, True)
        self._schedule.point()  # does not return

    def _wake_slots(self) -> None:
        for slot in self._slots:
            self._schedule.wake(slot)

    # As `Control.run` and `Slot.run` do.

    def _control(self) -> None:
        while not self._ending:
            try:
                session = self._around.database.connect(f"{self.group.name}/control", self.group)
            except DatabaseFault:
                if self._schedule.now - self._ticked_at > self._around.settings.lease_seconds:
                    self._sharing.let_go()
                self._schedule.pause(0.3 + 0.7 * self._around.random.random())
                continue
            self._controlled = True
            try:
                self._share(SimulatedLeases(session))
                session.terminate()
                self._controlled = False
                self._schedule.pause(1.0 + 2.0 * self._around.random.random())
            except DatabaseFault:
                session.terminate()
            finally:
                self._controlled = False

    def _share(self, leases: SimulatedLeases) -> None:
        useful_at = self._schedule.now
        while not self._ending and (self._connected or self._schedule.now - useful_at < _USELESS_SECONDS):
            if self._connected:
                useful_at = self._schedule.now
            self._sharing.tick(leases, may_claim=bool(self._connected))
            self._ticked_at = self._schedule.now
            self._wake_slots()
            self._schedule.pause(_TICK_SECONDS)
        self._sharing.release_all(leases)

    def _slot_of(self, number: int) -> Callable[[], None]:
        def run() -> None:
            while not self.gate.closed:
                if not self._controlled:
                    self._schedule.pause(0.2)
                    continue
                try:
                    session = self._around.database.connect(f"{self.group.name}/slot{number}", self.group)
                except DatabaseFault:
                    self._schedule.pause(0.5 + self._around.random.random())
                    continue
                self._connected += 1
                self._serve(session)
                self._connected -= 1
                session.terminate()

        return run

    def _serve(self, session: Session) -> None:
        store = self._around.parts.store(session, self._around.fresh_id, self._around.broken, self._die)
        while True:
            domain = self.gate.take(0)
            if domain is None:
                if not self._controlled or self.gate.closed:
                    return
                self._schedule.pause(_IDLE_SECONDS)
                continue
            usable = False
            try:
                usable = self._turns.take(domain, store)
            finally:
                self.gate.give_back(domain)
            if not usable:
                return
            self._schedule.point()
