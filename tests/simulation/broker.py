"""RabbitMQ, as far as its behaviour matters to the gate: quorum queues, confirms, channels, and how they end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random

from tests.simulation.history import History, Violation
from tests.simulation.link import Channel, ConnectionLost, Consumer, LaneQueue, Link, Message, Unacked
from tests.simulation.schedule import Actor, Group, Schedule
from writegate.contract.service import Service
from writegate.message.topology import ANY, exchange_name, queue_name

_NAME = "rabbitmq"
_LOW = "low on memory"
_NOTICES_SECONDS = 4.0  # a client that is gone without closing is noticed after that many at most


class Broker:
    """The queues, and one actor that acts on what clients sent."""

    def __init__(
        self, schedule: Schedule, random: Random, history: History, services: Iterable[Service], limit: int
    ) -> None:
        self._schedule = schedule
        self._random = random
        self._history = history
        self._links: list[Link] = []
        self._confirms: list[tuple[Channel, int, bool, Callable[[int, bool], None]]] = []
        self.up = True
        self.limit = limit
        self._alarmed = False
        self.queues: dict[str, LaneQueue] = {}
        self._routes: dict[tuple[str, str], LaneQueue] = {}
        for service in services:
            for lane in range(service.lanes):
                queue = self.queues[queue_name(service.name, lane)] = LaneQueue(queue_name(service.name, lane), limit)
                self._routes[exchange_name(service.name), str(lane)] = queue
            self._routes[exchange_name(service.name), ANY] = self.queues[queue_name(service.name, 0)]
        self._actor: Actor = schedule.spawn(_NAME, Group(_NAME), self._run)

    # What clients do. They send frames; each is a call of one of the methods further down.

    def connect(self, name: str) -> Link:
        """Open a connection. Raises :class:`ConnectionLost` when the broker is down."""
        if not self.up:
            raise ConnectionLost("connection refused")
        link = Link(name, lambda: self._schedule.wake(self._actor))
        self._links.append(link)
        return link

    def gone(self, link: Link) -> None:
        """A client is gone without closing. The broker notices after a while, and acts on what it sent till then."""
        link.cut()
        self._later(self._random.random() * _NOTICES_SECONDS, lambda: self.forget(link))

    def close_later(self, channel: Channel, seconds: float) -> None:
        """Close a channel after a while."""
        self._later(seconds, lambda: self.close(channel))

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        def wait() -> None:
            self._schedule.pause(seconds)
            work()

        self._schedule.spawn(f"{_NAME} timer", Group(_NAME), wait)

    # What happens in the broker.

    def publish(
        self, channel: Channel, exchange: str, key: str, message: Message, confirm: Callable[[int, bool], None]
    ) -> None:
        """Enqueue a message, or refuse it; the confirm follows, in no order among messages."""
        channel.published += 1
        if not channel.link.publishes:
            channel.link.publishes = True
            if self._alarmed:
                channel.link.answer(partial(channel.link.on_blocked, _LOW))
        queue = self._routes[exchange, key]
        taken = len(queue.ready) < queue.limit
        if taken:
            queue.count += 1
            message.seq = queue.count
            queue.ready.append(message)
            self._history.add(self._schedule.now, _NAME, "{} takes {}", queue.name, message)
            self._pump(queue)
        else:
            self._history.add(self._schedule.now, _NAME, "{} is full: refuses {}", queue.name, message)
        self._confirms.append((channel, channel.published, taken, confirm))

    def consume(self, consumer: Consumer) -> None:
        """Add a consumer; it becomes the active one when there is no other."""
        if not consumer.channel.open:
            return  # the client is about to learn that it is closed
        consumer.channel.consumers.append(consumer)
        consumer.queue.consumers.append(consumer)
        self._pump(consumer.queue)

    def cancel(self, consumer: Consumer) -> None:
        """Remove a consumer, as `basic.cancel` does: its unacknowledged messages stay with its channel."""
        queue = consumer.queue
        if consumer in queue.consumers:
            queue.consumers.remove(consumer)
            self._pump(queue)

    def ack(self, channel: Channel, tag: int, *, multiple: bool) -> None:
        """Forget a delivery, or all up to it."""
        if tag not in channel.unacked:
            raise Violation(f"{channel.link.name} acknowledges {tag}, which is not there to be acknowledged")
        tags = [delivered for delivered in channel.unacked if delivered <= tag] if multiple else [tag]
        queues = set()
        for delivered in tags:
            done = channel.unacked.pop(delivered)
            done.consumer.held -= 1
            queues.add(done.consumer.queue.name)
        for name in sorted(queues):
            self._pump(self.queues[name])

    def close(self, channel: Channel) -> None:
        """Close a channel: what is unacknowledged returns to the front of its queue, in order."""
        if not channel.open:
            return
        channel.open = False
        channel.link.channels.remove(channel)
        returned: dict[str, list[Message]] = {}
        for unacked in channel.unacked.values():
            unacked.message.deliveries += 1
            returned.setdefault(unacked.consumer.queue.name, []).append(unacked.message)
        channel.unacked.clear()
        for name, messages in returned.items():
            queue = self.queues[name]
            queue.ready = deque(sorted([*messages, *queue.ready], key=lambda message: message.seq))
        for consumer in channel.consumers:
            self.cancel(consumer)

    def forget(self, link: Link) -> None:
        """Give up a connection."""
        if link.known:
            link.known = False
            link.cut()
            link.to_broker.clear()
            self._links.remove(link)
            self._confirms = [confirm for confirm in self._confirms if confirm[0].link is not link]
            for channel in list(link.channels):
                self.close(channel)

    def restart(self, seconds: float) -> None:
        """Lose every connection, keep every message, and be away for a while."""
        self.up = False
        for link in list(self._links):
            self.forget(link)
        self._schedule.pause(seconds)
        self.up = True

    def alarm(self, seconds: float) -> None:
        """Run out of memory for a while: nothing is read from connections that publish."""
        if not self._alarmed:
            self._set_alarm(_LOW)
            self._later(seconds, lambda: self._set_alarm(None))

    def _set_alarm(self, reason: str | None) -> None:
        self._alarmed = reason is not None
        for link in self._links:
            if link.publishes:
                link.answer(partial(link.on_blocked, reason))
        self._schedule.wake(self._actor)

    def links(self) -> Sequence[Link]:
        """The connections, as the broker knows them."""
        return self._links

    def _pump(self, queue: LaneQueue) -> None:
        """Deliver to the active consumer what it may hold."""
        while queue.ready and queue.consumers:
            consumer = queue.consumers[0]
            channel = consumer.channel
            if consumer.held >= consumer.prefetch:
                return
            message = queue.ready.popleft()
            channel.tag += 1
            consumer.held += 1
            channel.unacked[channel.tag] = Unacked(message, consumer)
            channel.link.answer(partial(consumer.deliver, channel.tag, message))

    def _run(self) -> None:
        while True:
            busy = [link for link in self._links if link.to_broker and not (self._alarmed and link.publishes)]
            jobs = len(busy) + len(self._confirms)
            if not jobs:
                self._schedule.pause(math.inf)
                continue
            chosen = int(self._random.random() * jobs)
            if chosen < len(busy):
                busy[chosen].to_broker.popleft()()
            else:
                channel, tag, taken, confirm = self._confirms.pop(chosen - len(busy))
                channel.link.answer(partial(confirm, tag, taken))
            self._schedule.point()
