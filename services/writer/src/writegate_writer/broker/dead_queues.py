"""The AMQP edge of dead-letter queues: a service's is consumed by whoever consumes its lane 0. On the hub thread.

On channels of their own, with a small window: when such a queue is missing, or may not be read, the lanes go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from writegate.message.topology import dead_queue_name
from writegate_writer.receive.reading import Delivery
from writegate_writer.schedule.domain import Domain

log = structlog.get_logger(__name__)

PREFETCH = 20  # there is no hurry, and each may be as large as a message may be

OpenChannel = Callable[[Any, int], Any]
Deliver = Callable[[Domain, Delivery], bool]


class DeadQueues:
    """The channels of dead-letter queues, one a domain."""

    def __init__(self, open_channel: OpenChannel, deliver: Deliver) -> None:
        self._open_channel = open_channel
        self._deliver = deliver
        self._channels: dict[str, Any] = {}  # by domain
        # Where what is not acknowledged came from: a tag means nothing on another channel.
        self._from: dict[Delivery, Any] = {}

    def open(self, connection: Any, domain: Domain, lanes: Iterable[tuple[str, int]]) -> None:
        """Consume those of the services whose lane 0 is among ``lanes``."""
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
        delivery.body = message.body or b""
        if self._deliver(domain, delivery):
            self._from[delivery] = channel

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge one, if its channel is still there: else it comes again, and is known then."""
        channel = self._from.pop(delivery, None)
        if channel is not None and channel.is_open:
            channel.basic_ack(delivery.tag, False)

    def close(self, domain: Domain) -> None:
        """Let go of a domain's."""
        self._close(domain.name)

    def look(self, error: Exception) -> None:
        """The broker has closed some channel: if it is one of these, its domain does without until it starts again."""
        for name, channel in list(self._channels.items()):
            if not channel.is_open:
                self._lost(name, str(error))

    def gone(self) -> None:
        """The connection is gone."""
        self._channels.clear()
        self._from.clear()

    def _lost(self, name: str, text: str) -> None:
        log.error("dead_letters.channel_lost", domain=name, error=text, cure="writegate plan")
        self._close(name)

    def _close(self, name: str) -> None:
        channel = self._channels.pop(name, None)
        if channel is not None:
            self._from = {delivery: of for delivery, of in self._from.items() if of is not channel}
            if channel.is_open:
                channel.leave()
