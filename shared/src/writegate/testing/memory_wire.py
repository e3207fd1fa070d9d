"""The wire between a publisher and the broker in memory: an I/O thread like the real one's, without a socket."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import pika

from writegate.contract.ids import new_id
from writegate.publishing.wire import Listener
from writegate.testing.memory_node import ChannelRefused, LoginRejected, Node, Sent, Taken


class MemoryWire:
    """A :class:`~writegate.publishing.wire.Carrier` that connects again as soon as the broker is back.

    ``_changed`` guards ``_posts`` and ``_timers``, which any thread adds to; the rest belongs to the wire's thread.
    """

    def __init__(self, node: Node, user: str, password: str, listener: Listener) -> None:
        self.user = user
        self.last_error = "not connected yet"
        self.channel: object | None = None
        self.address = new_id()
        self._node = node
        self._password = password
        self._listener = listener
        self._tag = 0
        self._changed = threading.Condition()
        self._posts: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="writegate-publish", daemon=True)

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, and connect."""
        self._node.start(self)
        self.post(self.connect)
        self._thread.start()

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread, in the order of the calls. From any thread."""
        with self._changed:
            self._posts.append(work)
            self._changed.notify()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread after ``seconds``."""
        with self._changed:
            heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), work))
            self._changed.notify()

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a mandatory message. It reaches the broker after the work that was posted before."""
        sent = Sent(exchange, routing_key, body, _as_it_arrives(properties))
        self._tag += 1
        self.post(partial(self._arrive, self.channel, self._tag, sent))

    def reply(self, reply_to: str, body: bytes, properties: pika.BasicProperties) -> None:
        """Send a reply, unconfirmed."""
        self._node.reply(reply_to, properties.correlation_id or "", body)

    def stop(self, timeout: float) -> None:
        """End the connection and the thread. From any other thread."""
        self.post(self._stop)
        self._thread.join(timeout)

    # Events from the broker. From any thread.

    def block(self, reason: str | None) -> None:
        """Report that the broker stopped (reason) or resumed (None) reading."""
        self.post(partial(self._listener.on_blocked, reason))

    def lose(self) -> None:
        """Report that the connection is lost."""
        self.post(self._lost)

    def answer(self, correlation_id: str, body: bytes) -> None:
        """Report that a reply arrived."""
        self.post(partial(self._listener.on_reply, correlation_id, body))

    # On the I/O thread.

    def connect(self) -> None:
        """Connect, unless it is connected."""
        if self.channel is not None:
            return
        try:
            blocked = self._node.connect(self, self._password)
        except ConnectionError as error:
            self.last_error = str(error)
            if isinstance(error, LoginRejected):
                self._listener.on_login_refused(self.last_error)
            return
        self._listener.on_blocked(blocked)
        self._open()

    def _open(self) -> None:
        self.channel = object()
        self._tag = 0
        self._listener.on_up()

    def _arrive(self, channel: object, tag: int, sent: Sent) -> None:
        if channel is not self.channel:
            return  # the channel was closed meanwhile: the broker reads nothing from it
        try:
            taken = self._node.store(self, sent)
        except ChannelRefused as refused:
            self._close()
            self._listener.on_channel_refused(refused.code, str(refused))
            self._open()
            return
        if taken is Taken.UNROUTABLE:
            text = f"NO_ROUTE: no queue for {sent.exchange} {sent.routing_key}"
            self._listener.on_return(sent.properties.correlation_id, text)
        elif taken is Taken.STORED and (on_stored := self._node.on_stored) is not None:
            on_stored(sent)
        self._listener.on_confirm(tag, multiple=False, ok=taken is not Taken.FULL)

    def _lost(self) -> None:
        self.last_error = "connection lost"
        self._close()

    def _close(self) -> None:
        if self.channel is not None:
            self.channel = None
            self._listener.on_down()

    def _stop(self) -> None:
        self._node.stop(self)
        self._close()
        self._ending = True

    def _run(self) -> None:
        while not self._ending:
            self._next()()

    def _next(self) -> Callable[[], None]:
        with self._changed:
            while True:
                now = time.monotonic()
                if self._timers and self._timers[0][0] <= now:
                    return heapq.heappop(self._timers)[2]
                if self._posts:
                    return self._posts.popleft()
                self._changed.wait(self._timers[0][0] - now if self._timers else None)


def _as_it_arrives(properties: pika.BasicProperties) -> pika.BasicProperties:
    """Return the properties as a consumer would read them. Raises pika's error for those that cannot be sent."""
    read = pika.BasicProperties()
    read.decode(b"".join(properties.encode()))
    return read
