"""The wire of a publisher: the real engine and pipeline send over it, the simulated broker is at its other end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from functools import partial

import pika

from tests.simulation.broker import Broker
from tests.simulation.link import Channel, ConnectionLost, Link, Message
from tests.simulation.schedule import Actor, Group, Schedule
from writegate.publishing.wire import Listener

_RETRY_SECONDS = 0.3


class SimulatedWire:
    """What :class:`writegate.publishing.wire.Wire` is, without sockets and threads: its I/O thread is an actor."""

    trusts_what_it_sent = False

    def __init__(self, schedule: Schedule, broker: Broker, group: Group, listener: Listener) -> None:
        self.user = group.name
        self.last_error = "not connected yet"
        self.channel: Channel | None = None
        self._schedule = schedule
        self._broker = broker
        self._listener = listener
        self._link: Link | None = None
        self._posts: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._closing = False
        self._name = f"{group.name}/publish"
        self._actor: Actor = schedule.spawn(self._name, group, self._run)

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the I/O actor."""
        self._posts.append(work)
        self._schedule.wake(self._actor)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` on the I/O actor after a while."""
        self._timers.append((self._schedule.now + seconds, work))

    def stop(self, timeout: float) -> None:
        """Close the connection, behind what was sent, and end the I/O actor. From any other actor."""
        self.post(self._stop)
        self._schedule.until(lambda: self._actor.ended, timeout)

    def _stop(self) -> None:
        self._closing = True
        link = self._link
        if link is not None and link.up:
            link.send(lambda: self._broker.forget(link))

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a message."""
        channel = self.channel
        assert channel is not None
        if not channel.link.up:
            return  # a client that has not read yet that its connection is gone writes into nothing
        given = {name: getattr(properties, name) for name in ("content_type", "correlation_id", "user_id", "reply_to")}
        # The real origin has the number of this process and the machine's name: its length would change a history.
        message = Message(body, {**properties.headers, "origin": self.user}, given)
        confirm = partial(self._confirmed, channel)
        channel.link.send(lambda: self._broker.publish(channel, exchange, routing_key, message, confirm))

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Nobody asks for receipts here."""

    def _confirmed(self, channel: Channel, tag: int, taken: bool) -> None:
        if channel is self.channel:
            self._listener.on_confirm(tag, multiple=False, ok=taken)

    def _run(self) -> None:
        while not (self._closing and (self._link is None or not self._link.up)):
            self._once()
            if not self._posts and not (self._link is not None and self._link.to_client):
                due = min((time for time, _ in self._timers), default=math.inf)
                self._schedule.pause(max(0.0, due - self._schedule.now))
            else:
                self._schedule.point()

    def _once(self) -> None:
        if self._link is None or not self._link.up:
            self._connect()
        due = [work for time, work in self._timers if time <= self._schedule.now]
        self._timers = [timer for timer in self._timers if timer[0] > self._schedule.now]
        for work in due:
            work()
        if self._posts:
            self._posts.popleft()()
        if self._link is not None and self._link.to_client:
            self._link.to_client.popleft()()

    def _connect(self) -> None:
        if self.channel is not None:
            self.channel = None
            self._listener.on_down()
        try:
            link = self._link = self._broker.connect(self._name)
        except ConnectionLost as error:
            self._link, self.last_error = None, str(error)
            self.later(_RETRY_SECONDS, lambda: None)
            return
        link.wake_client = lambda: self._schedule.wake(self._actor)
        link.on_blocked = self._listener.on_blocked
        self._listener.on_blocked(None)
        self.channel = Channel(link)
        self._listener.on_up()


class TrustingWire(SimulatedWire):
    """A broken one: what was sent counts as confirmed, whatever the broker says."""

    def __init__(self, schedule: Schedule, broker: Broker, group: Group, listener: Listener) -> None:
        super().__init__(schedule, broker, group, listener)
        self._tag = 0

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        channel = self.channel
        super().publish(exchange, routing_key, body, properties)
        if channel is not None:
            self._tag = self._tag + 1
            self.post(partial(self._trust, channel, self._tag))

    def _trust(self, channel: Channel, tag: int) -> None:
        if channel is self.channel:
            self._listener.on_confirm(tag, multiple=False, ok=True)

    def _confirmed(self, channel: Channel, tag: int, taken: bool) -> None:
        """Not listened to."""

    def _connect(self) -> None:
        self._tag = 0
        super()._connect()
