"""What a batch may hold: taken from the inbox, and read there while the one before is applied. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from writegate.config import Settings
from writegate.contract.service import Service
from writegate_writer.decide.deaths import CORNER_DELIVERIES
from writegate_writer.receive.dead_letters import cause_of, read_dead
from writegate_writer.receive.delivery import Arrived, Delivery, Part, Reading
from writegate_writer.receive.reading import read
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Clock, Served


def suspicious(delivery: Delivery | None) -> bool:
    """Whether something in this message may be what ends the process."""
    # Nothing in a dead letter is run.
    return delivery is not None and not delivery.dead and delivery.delivery_count >= CORNER_DELIVERIES


def take_batch(
    domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock
) -> tuple[str | None, Reading]:
    """Take from the inbox what one batch may hold: whole messages of one service, in arrival order."""
    reading = Reading()
    queue = domain.next_queue()
    if not queue:
        return None, reading
    service = queue[0].service
    declared = services[service].service
    now_millis = _millis(clock)
    commands = size = 0
    limit = settings.batch_commands
    # Only this thread takes from it (the domain is busy), the hub thread only appends: no lock is needed for that.
    while queue and size < settings.batch_bytes:
        try:
            is_suspicious = suspicious(queue[0])
            limit = min(limit, 0 if is_suspicious else settings.batch_commands >> queue[0].delivery_count)
            if commands and commands >= limit:
                break
            delivery = queue.popleft()
        except IndexError:
            break  # its channel was lost just now
        reading.suspicious |= is_suspicious
        parts = delivery.parts or _read(delivery, declared, now_millis)
        delivery.parts = None
        delivery.open = len(parts)
        for part in parts:
            reading.add(part)
            if delivery.dead and isinstance(part, Arrived):
                reading.rejected[part.ledger_id] = cause_of(delivery.headers)
        commands += len(parts)
        size += len(delivery.body)
    return service, reading


def read_ahead(domain: Domain, services: Mapping[str, Served], settings: Settings, clock: Clock) -> None:
    """Read what the next batch will hold, and leave it where it is.

    Nothing that was delivered before: reading it may be what ends the process, and another command would be blamed.
    """
    queue = domain.coming()
    now_millis = _millis(clock)
    position = commands = size = 0
    while queue and commands < settings.batch_commands and size < settings.batch_bytes:
        try:
            delivery = queue[position]
        except IndexError:
            return  # that is all there is, or its channel was lost just now
        if delivery.delivery_count:
            return
        if delivery.parts is None:
            delivery.parts = _read(delivery, services[delivery.service].service, now_millis)
        position += 1
        commands += len(delivery.parts)
        size += len(delivery.body)


def _read(delivery: Delivery, service: Service, now_millis: int) -> list[Part]:
    return [*read_dead(delivery, service)] if delivery.dead else read(delivery, service, now_millis)


def _millis(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1000)
