"""Taking the next batch from a domain's inbox, and reading it there while the batch before is applied. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

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
    # Fresh messages of all lanes, in the order in which they came; or redelivered ones of one lane, which make batches
    # small there and nowhere else.
    for queue, _ in _fresh(queues, taking=True) if not _redelivered(queues[0]) else _again(queues[0]):
        # No lock: while the domain is busy only this thread takes single messages. Others append, or empty the queue.
        try:
            is_suspicious = suspicious(queue[0])
            limit = min(limit, 0 if is_suspicious else settings.batch_commands >> queue[0].verified.deliveries)
            if size.full or (size.commands and size.commands >= limit):
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
    return service, reading


def read_next_batch(domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock) -> None:
    """Read the messages of the next batch, and leave them in the inbox. On a reader thread.

    Redelivered messages are not read: if reading one ended the process, a command of the present batch would be
    suspected instead.
    """
    now_millis = _millis(clock)
    size = _Size(settings)
    for queue, position in _fresh(domain.coming(), taking=False):
        if size.full:
            return
        try:
            delivery = queue[position]
        except IndexError:
            return  # it was emptied at the same time
        if delivery.parts is None:
            delivery.parts = _read(delivery, services[delivery.service].service, now_millis)
        size.add(delivery, delivery.parts)


def _redelivered(queue: deque[Delivery]) -> bool:
    try:
        return queue[0].verified.deliveries > 0
    except IndexError:
        return False  # it was emptied at the same time


def _again(queue: deque[Delivery]) -> Iterator[tuple[deque[Delivery], int]]:
    while queue:
        yield queue, 0


def _fresh(queues: Sequence[deque[Delivery]], *, taking: bool) -> Iterator[tuple[deque[Delivery], int]]:
    """Return where the fresh messages of these queues are, in the order of arrival: queue and position.

    ``taking``: each is taken out before the next is asked for. A queue ends with its first redelivered message.
    """
    heads: list[tuple[int, int, int]] = []  # tags of one channel ascend, whichever lane they are of

    def push(number: int, position: int) -> None:
        with suppress(IndexError):
            delivery = queues[number][position]
            if not delivery.verified.deliveries:
                heapq.heappush(heads, (delivery.tag, number, position))

    for number in range(len(queues)):
        push(number, 0)
    while heads:
        _, number, position = heapq.heappop(heads)
        yield queues[number], position
        push(number, position if taking else position + 1)


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
