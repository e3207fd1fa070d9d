"""Taking the next batch from a domain's inbox, and reading it there while the batch before is applied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from writegate.config import Settings
from writegate.contract.service import Service
from writegate_writer.decide.deaths import ALONE_AFTER_DELIVERIES
from writegate_writer.receive.dead_letters import cause_of, read_dead
from writegate_writer.receive.delivery import Arrived, Delivery, Part, Reading
from writegate_writer.receive.reading import read
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Clock, Served


def suspicious(delivery: Delivery | None) -> bool:
    """Whether a command in this message may be what ended earlier processes."""
    # Nothing in a dead letter is run.
    return delivery is not None and not delivery.dead and delivery.verified.deliveries >= ALONE_AFTER_DELIVERIES


def take_batch(
    domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock
) -> tuple[str | None, Reading]:
    """Take a batch from the inbox: whole messages of one service, in arrival order. In the domain's turn only."""
    reading = Reading()
    service, queues = domain.next_queues()
    if not queues:
        return None, reading
    declared = services[service].service
    now_millis = _millis(clock)
    size, limit = _Size(settings), settings.batch_commands
    for number, queue in enumerate(queues):
        # No lock: while the domain is busy only this thread takes single messages. Others append, or empty the queue.
        while queue and not size.full:
            try:
                deliveries = queue[0].verified.deliveries
                if number and deliveries:
                    break  # it makes batches small in its own lane, not in others
                is_suspicious = suspicious(queue[0])
                limit = min(limit, 0 if is_suspicious else settings.batch_commands >> deliveries)
                if size.commands and size.commands >= limit:
                    break
                delivery = queue.popleft()
            except IndexError:
                break  # the queue was emptied at the same time: its channel was lost
            reading.suspicious |= is_suspicious
            parts = delivery.parts or _read(delivery, declared, now_millis)
            delivery.parts = None
            delivery.undecided_parts = len(parts)
            for part in parts:
                reading.add(part)
                if delivery.dead and isinstance(part, Arrived):
                    reading.rejected[part.ledger_id] = cause_of(delivery.headers)
            size.add(delivery, parts)
        if limit < settings.batch_commands:
            break
    return service, reading


def read_next_batch(domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock) -> None:
    """Read the messages of the next batch, and leave them in the inbox. On a reader thread.

    Redelivered messages are not read: if reading one ended the process, a command of the present batch would be
    suspected instead.
    """
    now_millis = _millis(clock)
    size = _Size(settings)
    for queue in domain.coming():
        position = 0
        while not size.full:
            try:
                delivery = queue[position]
            except IndexError:
                break  # the end of the queue, or it was emptied at the same time
            if delivery.verified.deliveries:
                break
            if delivery.parts is None:
                delivery.parts = _read(delivery, services[delivery.service].service, now_millis)
            position += 1
            size.add(delivery, delivery.parts)


class _Size:
    """How much is in a batch so far."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.commands = 0
        self._bytes = 0

    def add(self, delivery: Delivery, parts: Sequence[Part]) -> None:
        self.commands += len(parts)
        self._bytes += len(delivery.body)

    @property
    def full(self) -> bool:
        return self.commands >= self._settings.batch_commands or self._bytes >= self._settings.batch_bytes


def _read(delivery: Delivery, service: Service, now_millis: int) -> list[Part]:
    return [*read_dead(delivery, service)] if delivery.dead else read(delivery, service, now_millis)


def _millis(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1000)
