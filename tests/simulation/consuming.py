"""The consuming side: a connection as the writer's :class:`Lanes` knows it, and the hub thread that reads from it."""

# ruff: noqa: ARG002  the signatures are given by what is simulated
from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.simulation.broker import Broker
from tests.simulation.history import Violation
from tests.simulation.link import Channel, ConnectionLost, Consumer, Frame, Link, Message
from tests.simulation.schedule import Actor, Group, Schedule
from writegate_writer.broker.lanes import Lanes

_RETRY_SECONDS = 0.5
_LARGEST_BYTES = 20_000  # that a message of the simulated services takes, when many of their commands travel together


class ChannelClosed(Exception):
    """The broker closed a channel."""


class ConsumingConnection:
    """The part of a kombu connection that `Lanes` uses."""

    channel_errors = (ChannelClosed,)

    def __init__(self, schedule: Schedule, broker: Broker, link: Link) -> None:
        self.schedule = schedule
        self.broker = broker
        self.link = link
        self.transport = None
        parts = SimpleNamespace(_read_buffer=b"")
        self.connection = SimpleNamespace(sock=self, on_inbound_frame=None, heartbeat_tick=None, transport=parts)

    def drain_events(self, timeout: float) -> None:
        """Act on one frame. Raises TimeoutError when there is none."""
        assert timeout == 0
        if not self.link.up:
            raise ConnectionLost("connection lost")
        if not self.link.to_client:
            raise TimeoutError
        self.link.to_client.popleft()()


class ConsumingChannel:
    """A :class:`~writegate_writer.broker.channel.LaneChannel`."""

    def __init__(self, connection: ConsumingConnection, prefetch: int) -> None:
        self.is_open = True
        self.connection = connection
        self.at_broker = Channel(connection.link, registered=False)
        self.at_broker.on_close = self._closed_by_broker
        self._prefetch = prefetch
        self.send(self.at_broker.register)

    def send(self, frame: Frame) -> None:
        """Send a frame; what it brings about is read later."""
        self.connection.link.send(frame)

    def consume(self, queue: str, deliver: Callable[[Any], None], cancelled: Callable[[str], None]) -> None:
        """Consume a queue."""

        def take_in(tag: int, message: Message) -> None:
            if self.is_open:
                self._deliver(tag, message, deliver)

        broker = self.connection.broker
        if queue not in broker.queues:
            return  # one of dead letters: none die here
        consumer = Consumer(broker.queues[queue], self.at_broker, self._prefetch, take_in)
        self.send(lambda: broker.consume(consumer))

    def _deliver(self, tag: int, message: Message, deliver: Callable[[Any], None]) -> None:
        headers = dict(message.headers)
        if message.deliveries:
            headers["x-delivery-count"] = message.deliveries
        given = {**message.properties, "application_headers": headers}
        deliver(
            SimpleNamespace(
                delivery_info={"delivery_tag": tag, "redelivered": message.deliveries > 0},
                properties=given,
                body=message.body,
            )
        )

    def basic_ack(self, tag: int, multiple: bool) -> None:
        """Acknowledge."""
        broker, channel = self.connection.broker, self.at_broker
        self.send(lambda: broker.ack(channel, tag, multiple=multiple) if channel.open else None)

    def close_without_waiting(self) -> None:
        """Close it."""
        self.is_open = False
        self.send(self._end)

    def _end(self) -> None:
        self.connection.broker.close(self.at_broker)

    def _closed_by_broker(self) -> None:
        if self.is_open:
            self.is_open = False
            raise ChannelClosed("PRECONDITION_FAILED - delivery acknowledgement timed out")


class CancellingChannel(ConsumingChannel):
    """A broken one: it stops by `basic.cancel`, and its unacknowledged messages return some time later."""

    def _end(self) -> None:
        broker, channel = self.connection.broker, self.at_broker
        for consumer in channel.consumers:
            broker.cancel(consumer)
        broker.close_later(channel, 3.0)


class HastyChannel(ConsumingChannel):
    """A broken one: it acknowledges what it is given before anything was done about it."""

    def _deliver(self, tag: int, message: Message, deliver: Callable[[Any], None]) -> None:
        super()._deliver(tag, message, deliver)
        super().basic_ack(tag, False)

    def basic_ack(self, tag: int, multiple: bool) -> None:
        """Done long ago."""


class WaitingChannel(ConsumingChannel):
    """A broken one: it acts on what comes until it is answered, as py-amqp does."""

    def send(self, frame: Frame) -> None:
        answered: list[bool] = []

        def act() -> None:
            frame()
            self.connection.link.answer(lambda: answered.append(True))

        super().send(act)
        while not answered:
            try:
                self.connection.drain_events(timeout=0)
            except TimeoutError:
                self.connection.schedule.pause(0.005)


class Hub:
    """The hub thread of a writer: runs what is due, in no particular order, reads, and reconnects."""

    def __init__(  # noqa: PLR0917  what it connects
        self,
        schedule: Schedule,
        random: Random,
        broker: Broker,
        group: Group,
        lanes: Lanes,
        held_bytes: Callable[[], int],
        may_hold_bytes: int,
        after: Callable[[], None],
    ) -> None:
        self._schedule = schedule
        self._random = random
        self._broker = broker
        self._lanes = lanes
        self._held_bytes = held_bytes
        self._may_hold_bytes = may_hold_bytes
        self._after = after
        self._ready: list[Callable[[], None]] = []
        self._reader: Callable[[], None] | None = None
        self._end: Callable[[], None] | None = None
        self.connection: ConsumingConnection | None = None
        self._name = f"{group.name}/hub"
        self._actor: Actor = schedule.spawn(self._name, group, self._run)

    def call_soon(self, work: Callable[[], None]) -> None:
        """Run ``work`` with the next turn. From any thread."""
        self._ready.append(work)
        self._schedule.wake(self._actor)

    def add_reader(self, _sock: object, read: Callable[[], None]) -> None:
        """Read when there is something to read."""
        self._reader = read

    def remove_reader(self, _sock: object) -> None:
        """Do not."""
        self._reader = None

    remove = remove_reader

    def stop(self, end: Callable[[], None]) -> None:
        """Leave the loop, and do what then is to be done. From any actor."""
        self._end = end
        self._schedule.wake(self._actor)

    def _run(self) -> None:
        while self._end is None:
            try:
                self._connect()
                self._loop()
            except ConnectionLost:
                self.connection = None
                self._ready.clear()
                self._lanes.detach()
                self._schedule.pause(_RETRY_SECONDS)
        self._end()

    def _act(self, act: Callable[[], None]) -> None:
        """Do one thing, and see that no more is held than may be."""
        act()
        held = self._held_bytes()
        if held > self._may_hold_bytes + _LARGEST_BYTES:
            raise Violation(f"{self._name} holds {held} bytes, not at most {self._may_hold_bytes} and a message")
        self._after()
        self._schedule.point()

    def _connect(self) -> None:
        link = self._broker.connect(self._name)
        link.wake_client = lambda: self._schedule.wake(self._actor)
        self.connection = ConsumingConnection(self._schedule, self._broker, link)
        self._lanes.attach(self.connection, self)
        self._act(self._lanes.consume)

    def _loop(self) -> None:
        assert self.connection is not None
        while self._end is None:
            while self._ready:
                self._act(self._ready.pop(int(self._random.random() * len(self._ready))))
            link = self.connection.link
            if not link.up:
                raise ConnectionLost("connection lost")
            if link.to_client and self._reader is not None:
                self._act(self._reader)
            elif not self._ready and self._end is None:
                self._schedule.pause(math.inf)
