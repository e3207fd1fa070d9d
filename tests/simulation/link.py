"""A connection to the broker: two ways, each in order, each cut at any moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Frame = Callable[[], None]  # what its receiver does on arrival


class ConnectionLost(OSError):
    """The connection is gone."""


class Link:
    """One AMQP connection. What the client sent may still be acted on after the client has seen it break."""

    def __init__(self, name: str, wake_broker: Callable[[], None]) -> None:
        self.name = name
        self.to_broker: deque[Frame] = deque()
        self.to_client: deque[Frame] = deque()
        self.up = True  # as the client sees it
        self.known = True  # to the broker
        self.channels: list[Channel] = []
        self.publishes = False
        self.on_blocked: Callable[[str | None], None] = lambda _: None  # what the client does when it is told so
        self.wake_client: Callable[[], None] = lambda: None
        self._wake_broker = wake_broker

    def send(self, frame: Frame) -> None:
        """Client to broker."""
        if not self.up:
            raise ConnectionLost(f"{self.name}: connection lost")
        self.to_broker.append(frame)
        self._wake_broker()

    def answer(self, frame: Frame) -> None:
        """Broker to client."""
        if self.up:
            self.to_client.append(frame)
            self.wake_client()

    def cut(self) -> None:
        """Break it, as the client sees it."""
        self.up = False
        self.to_client.clear()
        self.wake_client()
        self._wake_broker()


class Channel:
    """The broker's side of a channel. ``registered``: whether the broker knows of it already."""

    def __init__(self, link: Link, *, registered: bool = True) -> None:
        self.link = link
        self.open = False
        self.tag = 0
        self.published = 0
        self.consumers: list[Consumer] = []
        self.unacked: dict[int, Unacked] = {}
        self.on_close: Frame = lambda: None  # what the client does when the broker has closed it
        if registered:
            self.register()

    def register(self) -> None:
        """The broker has read that it is to be opened."""
        self.open = True
        self.link.channels.append(self)


class Message:
    """A message in a queue."""

    __slots__ = ("body", "deliveries", "headers", "properties", "seq")

    def __init__(self, body: bytes, headers: dict[str, object], properties: dict[str, object]) -> None:
        self.body = body
        self.headers = headers
        self.properties = properties
        self.deliveries = 0
        self.seq = 0  # its place in its queue

    def __str__(self) -> str:
        # Not the id: that of a message of many is not made from the seed.
        return f"{self.headers['task']} {self.headers.get('writegate-key', '')}"


class LaneQueue:
    """A quorum queue with single active consumer: the first of ``consumers`` is the active one."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.ready: deque[Message] = deque()
        self.consumers: list[Consumer] = []
        self.count = 0


class Consumer:
    """A consumer of a queue; ``deliver`` is what its client does with a message and its tag."""

    def __init__(
        self, queue: LaneQueue, channel: Channel, prefetch: int, deliver: Callable[[int, Message], None]
    ) -> None:
        self.queue = queue
        self.channel = channel
        self.prefetch = prefetch
        self.deliver = deliver
        self.held = 0


class Unacked:
    """A delivery that is not acknowledged."""

    __slots__ = ("consumer", "message")

    def __init__(self, message: Message, consumer: Consumer) -> None:
        self.message = message
        self.consumer = consumer
