"""Applying the messages of the in-memory broker with the writer's own code, without threads, leases and own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from writegate.config import Settings
from writegate.errors import DeclarationError, WritegateError
from writegate.message.envelope import Item
from writegate.message.receipt import Receipt
from writegate.message.topology import Route
from writegate.publishing import Publisher
from writegate.testing import MemoryBroker
from writegate.testing.memory_node import Stored
from writegate_writer.apply.batch import BatchProcessor
from writegate_writer.apply.sending import Sending
from writegate_writer.decide.deferral import BEGINNING
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Owner
from writegate_writer.handlers.loading import load_services
from writegate_writer.handlers.writes import Writes
from writegate_writer.receive.delivery import Delivery
from writegate_writer.receive.verified import verify
from writegate_writer.schedule.batching import take_batch
from writegate_writer.schedule.clock import SystemClock
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.testing.store import Memory, MemoryStore

_SETTINGS = Settings.load({})
_CONFIRM_SECONDS = 10.0
WRITER_APP = "writegate"  # the app_id of what handlers emit, and of what is forwarded

# What was decided for a broker is deleted together with the broker.
_memories: WeakKeyDictionary[MemoryBroker, Memory] = WeakKeyDictionary()


def drain(broker: MemoryBroker, connection: Connection | Engine) -> list[Receipt]:
    """Apply all that was published to ``broker``, and what the handlers emit, until nothing is left.

    The handlers are those of the installed services, the tables those of the database that ``connection`` leads to
    (psycopg2): their migrations must have run there; Writegate's own tables are not needed. On a connection, all of it
    happens in the transaction that is open there, or is begun: committing it or rolling it back is the caller's. On an
    engine it is a transaction of its own, which is committed.

    Returns a receipt for each time that a command was published, batch by batch; a command that still waits is
    ``deferred``. What was decided before by a drain of the same broker is a duplicate. Raises what holds a command type
    in production, such as an error of a handler or a missing table; then nothing of that batch has happened.

    Rights are not checked: handlers have those of the connection's own user.
    """
    if connection.dialect.driver != "psycopg2":
        raise WritegateError(f"expected a connection of psycopg2, as the writer has, got {connection.dialect.driver}")
    services = _writes_of(broker)
    memory = _memories.setdefault(broker, Memory())
    with _transaction(connection) as inside, broker.publisher(app_id=WRITER_APP) as publisher:
        receipts = _Drain(broker, services, MemoryStore(inside, services, memory), publisher).run()
    waiting = {row.item.id for row, _, _ in memory.deferred.values()}
    return [receipt for receipt in receipts if receipt.final or receipt.id in waiting]


def _writes_of(broker: MemoryBroker) -> dict[str, Writes]:
    services = load_services()
    if missing := sorted({service.name for service in broker.services} - services.keys()):
        raise DeclarationError(
            f"service {missing[0]}: no handlers are installed here: install its extra `writes` for the tests"
        )
    return services


@contextmanager
def _transaction(given: Connection | Engine) -> Iterator[Connection]:
    if isinstance(given, Engine):
        with given.begin() as connection:
            yield connection
        return
    if not given.in_transaction():
        given.begin()
    yield given


class _Drain:
    """One domain with every lane, served until nothing is left."""

    def __init__(
        self, broker: MemoryBroker, services: Mapping[str, Writes], store: MemoryStore, publisher: Publisher
    ) -> None:
        self._broker = broker
        self._store = store
        self._served = {name: Served(writes.service, {}) for name, writes in services.items()}
        lanes = tuple((service.name, lane) for service in broker.services for lane in range(service.lanes))
        self._domain = Domain("drain", 0, lanes)
        owner = Owner("drain", self._domain.name, self._domain.epoch, 0.0)
        self._domain.deferred = store.start(owner).deferred_index
        self._decided = _Decided(store)
        self._sending = Sending(self._served, DomainScheduler(), self._decided, _Confirmed(publisher))
        self._processor = BatchProcessor(
            store, owner, self._domain, self._served, self._sending, self._decided, SystemClock()
        )

    def run(self) -> list[Receipt]:
        """Drain; return the receipts."""
        self._replay()
        while stored := self._broker.take():
            for message in stored:
                self._domain.put(_delivery(message))
            while self._batch():
                pass
            self._replay()
            self._domain.outbox.confirmed_up_to()  # raises the error of what was emitted and cannot be sent
        return self._decided.receipts

    def _batch(self) -> bool:
        service, reading = take_batch(self._domain, self._served, _SETTINGS, SystemClock())
        if service is None:
            return False
        self._sending.misrouted(self._domain, reading.misrouted)
        if reading.arrived or reading.refused:
            self._processor.batch(service, reading)
        questions = self._domain.questions
        questions.add(service, reading.questions)
        while questions:
            for asking, asked in questions.take(SystemClock().monotonic()).items():
                self._sending.answers(self._store, asking, asked)
        return True

    def _replay(self) -> None:
        """Replay what is deferred for as long as that changes something: what it waited for may be there now."""
        index = self._domain.deferred
        before = -1
        while index.total not in (0, before):
            before = index.total
            self._processor.replay(lambda: True)
            while index.replay_pass.after != BEGINNING:
                self._processor.replay(lambda: True)


class _Confirmed:
    """A publisher whose messages are at the broker when the call returns."""

    def __init__(self, publisher: Publisher) -> None:
        self.reply = publisher.reply
        self._forward = publisher.forward

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        confirmed = self._forward(addressed, headers, reply_to)
        wait([confirmed], timeout=_CONFIRM_SECONDS)
        return confirmed


class _Decided:
    """In place of the hub thread: keeps the receipts. There is nothing to acknowledge."""

    def __init__(self, store: MemoryStore) -> None:
        self.receipts: list[Receipt] = []
        self._store = store

    def report(self, done: BatchResult) -> None:
        # Here all senders ask for a receipt.
        first: dict[str, Receipt] = {}
        for command, _ in done.plan.repeated:
            first |= self._store.look_up(command.delivery.service, [command.item.id])
        done = replace(done, first=first)
        self.receipts += [receipt for _, receipt in done.receipts()]

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        """The message was taken from its queue already."""

    def refresh(self, domain: Domain) -> None:
        """Do nothing: there is no channel."""


def _delivery(stored: Stored) -> Delivery:
    _, service, lane = stored.queue.split(".")
    read = stored.sent.properties
    properties = {name: getattr(read, name) for name in ("content_type", "user_id", "reply_to", "correlation_id")}
    headers = read.headers or {}
    verified = verify(headers, properties, redelivered=False)
    return Delivery(service, int(lane), stored.number, 0, stored.sent.body, headers, properties, verified=verified)
