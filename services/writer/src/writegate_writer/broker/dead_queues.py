"""Consuming dead-letter queues: whoever consumes a service's lane 0 consumes its dead-letter queue. On the hub thread.

They have channels of their own, with a small window: the lanes go on when such a queue is missing or may not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from writegate.message.topology import dead_queue_name
from writegate_writer.broker.memory_size import MemoryBudget, memory_size
from writegate_writer.receive.delivery import Delivery
from writegate_writer.receive.verified import verify
from writegate_writer.schedule.domain import Domain

log = structlog.get_logger(__name__)

PREFETCH = 20  # they are not urgent, and each may be as large as a message may be

OpenChannel = Callable[[Any, int], Any]
Deliver = Callable[[Domain, Delivery], bool]


class DeadQueues:
    """The channels of dead-letter queues, one for each domain.

    What a message takes is counted in ``memory`` until it is settled or its channel is gone.
    """

    def __init__(self, open_channel: OpenChannel, deliver: Deliver, memory: MemoryBudget) -> None:
        self._open_channel = open_channel
        self._deliver = deliver
        self._memory = memory
        self._channels: dict[str, Any] = {}  # by domain
        # The channel of each unacknowledged message: its tag means nothing on another one.
        self._unacknowledged: dict[Delivery, Any] = {}

    def open(self, connection: Any, domain: Domain, lanes: Iterable[tuple[str, int]]) -> None:
        """Consume the dead-letter queues of the services whose lane 0 is among ``lanes``."""
        services = [service for service, lane in lanes if lane == 0]
        if not services:
            return
        channel = self._channels[domain.name] = self._open_channel(connection, PREFETCH)
        generation = domain.generation
        for service in services:

            def deliver(message: Any, service: str = service) -> None:
                self._delivered(channel, domain, Delivery(service, 0, 0, generation, b"", {}, {}, dead=True), message)

            channel.consume(dead_queue_name(service), deliver, lambda _tag: self._lost(domain.name, "cancelled"))

    def _delivered(self, channel: Any, domain: Domain, delivery: Delivery, message: Any) -> None:
        delivery.tag = message.delivery_info["delivery_tag"]
        delivery.properties = dict(message.properties)
        delivery.headers = delivery.properties.pop("application_headers", None) or {}
        delivery.verified = verify(
            delivery.headers, delivery.properties, redelivered=message.delivery_info["redelivered"]
        )
        delivery.body = message.body or b""  # without a body py-amqp has a text there, not bytes
        delivery.held_bytes = memory_size(delivery.body, delivery.headers, delivery.properties)
        if self._deliver(domain, delivery):
            self._unacknowledged[delivery] = channel
            self._memory.held_bytes += delivery.held_bytes

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a message. If its channel is gone, it is delivered again and then recognised."""
        channel = self._unacknowledged.pop(delivery, None)
        if channel is None:
            return
        self._memory.held_bytes -= delivery.held_bytes
        if channel.is_open:
            channel.basic_ack(delivery.tag, False)

    def close(self, domain: Domain) -> None:
        """Close a domain's channel."""
        self._close(domain.name)

    def close_broken(self, error: Exception) -> None:
        """Close those channels that the broker has closed: their domains go on without until they start again."""
        for name, channel in list(self._channels.items()):
            if not channel.is_open:
                self._lost(name, str(error))

    def connection_lost(self) -> None:
        """Forget all channels: the connection is gone."""
        self._channels.clear()
        self._release(list(self._unacknowledged))

    def _lost(self, name: str, text: str) -> None:
        log.error("dead_letters.channel_lost", domain=name, error=text, cure="writegate plan")
        self._close(name)

    def _close(self, name: str) -> None:
        channel = self._channels.pop(name, None)
        if channel is None:
            return
        self._release([delivery for delivery, source in self._unacknowledged.items() if source is channel])
        if channel.is_open:
            channel.close_without_waiting()

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            del self._unacknowledged[delivery]
            self._memory.held_bytes -= delivery.held_bytes
