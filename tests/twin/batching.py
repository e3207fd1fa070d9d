"""The real writer without a broker: its gate and turns over PostgreSQL, fed with deliveries by hand."""

# ruff: noqa: ARG002  the signatures are those of the ports
from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Item, encode, encode_many, item_of
from writegate.message.receipt import Receipt
from writegate.message.topology import Route
from writegate_writer.apply.turn import Turns
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Store
from writegate_writer.handlers.domains import tables_by_task
from writegate_writer.handlers.writes import Writes
from writegate_writer.receive.delivery import Delivery
from writegate_writer.receive.verified import verify
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.sharing import Claimed

NAME = "twin"


@dataclass(frozen=True)
class Cut:
    """How a part of a stream becomes a batch.

    So many ``commands``, at most ``packed`` of one lane in a message, ``delivered`` before so many times; meanwhile a
    ``hold`` may be in force, and before it what waits may be ``replayed``.
    """

    commands: int
    packed: int
    delivered: int
    hold: str | None
    replayed: bool


class Hands:
    """Clock, publisher and consumer of the turns: time passes when the test says so, what is published is queued."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.stream: deque[Item] = deque()
        self.unacked: list[Delivery] = []
        self._seconds = 0.0

    # A clock.

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self._seconds

    def pause(self, seconds: float) -> None:
        self._seconds += seconds

    def spread(self) -> float:
        return 0.5

    # Publishing.

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        self.stream.extend(item for _, item in addressed)
        confirmed: Future[None] = Future()
        confirmed.set_result(None)
        return confirmed

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        raise AssertionError("nobody here asks for a reply")

    # Consuming.

    def refresh(self, domain: Domain) -> None:
        assert not self.unacked, (
            f"the domain was started again in the middle of a batch of {len(self.unacked)} messages"
        )

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        for delivery, parts in decided.items():
            delivery.undecided_parts -= parts
            if delivery.undecided_parts == 0 and delivery in self.unacked:  # what was deferred was acknowledged then
                self.unacked.remove(delivery)

    def report(self, done: BatchResult) -> None:
        self.receipts += [
            replace(receipt, xid=None, commit_lsn=None, committed_at=None) for _, receipt in done.receipts()
        ]


class BatchingWriter:
    """Applies commands of one service, whose domain it has claimed."""

    def __init__(self, store: Store, writes: Writes, claimed: Claimed, name: str) -> None:
        self._service = writes.service
        self._store = store
        self._hands = Hands()
        self._gate = DomainScheduler(self._hands.monotonic)
        self._domain = Domain(claimed.domain, claimed.epoch, claimed.lanes)
        self._turns = Turns(
            settings=Settings.load({}),
            name=name,
            services={writes.service.name: Served(writes.service, tables_by_task(writes))},
            scheduler=self._gate,
            consuming=self._hands,
            publishing=self._hands,
            clock=self._hands,
        )
        self._tags = itertools.count(1)
        self._gate.own(self._domain)
        self.turns()

    @property
    def receipts(self) -> list[Receipt]:
        """Its answers, in the order in which it gave them."""
        return self._hands.receipts

    @property
    def waiting(self) -> int:
        """How many commands are deferred."""
        return self._domain.deferred.total

    def take_in(self, commands: Sequence[Command]) -> None:
        """Queue commands."""
        self._hands.stream.extend(map(item_of, commands))

    @property
    def queued(self) -> int:
        """How many commands are queued."""
        return len(self._hands.stream)

    def batch(self, cut: Cut) -> None:
        """Apply the next of what is queued."""
        items = [self._hands.stream.popleft() for _ in range(min(cut.commands, self.queued))]
        for lane, message in itertools.groupby(items, lambda item: lane_of(item.key, self._service.lanes)):
            together = list(message)
            for first in range(0, len(together), cut.packed):
                self._deliver(lane, together[first : first + cut.packed], cut.delivered)
            if cut.delivered:
                self.turns()  # a lane that was redelivered lets others pass, and the naive writer keeps one order
        self.turns()
        assert not self._hands.unacked, f"{len(self._hands.unacked)} messages were not acknowledged"

    def turns(self) -> None:
        """Take turns as long as there is something to do."""
        while (domain := self._gate.take(0)) is not None:
            assert self._turns.take(domain, self._store)
            self._gate.give_back(domain)

    def replay(self) -> None:
        """Let so much time pass that what waits is tried again."""
        self._hands.pause(60.0)
        self.turns()

    def _deliver(self, lane: int, items: Sequence[Item], delivered: int) -> None:
        message = encode(items[0]) if len(items) == 1 else encode_many(f"many {next(self._tags)}", items)
        headers = {**message.headers, "x-delivery-count": delivered}
        delivery = Delivery(
            self._service.name,
            lane,
            next(self._tags),
            self._domain.generation,
            message.body,
            headers,
            message.properties,
            verified=verify(headers, message.properties, redelivered=delivered > 0),
        )
        self._hands.unacked.append(delivery)
        assert self._gate.deliver(self._domain, delivery)
