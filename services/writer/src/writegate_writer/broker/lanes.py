"""The AMQP edge of consuming. It runs on the hub thread; other threads hand in work with :meth:`Lanes.post`.

A channel per domain: closing one returns its unacknowledged messages in order and disturbs no other. `basic.cancel`
is never used: the cancelled consumer would keep its unacknowledged messages while the next one is given later ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from kombu import Exchange, Queue

from writegate.message.topology import exchange_name, queue_name
from writegate_writer.broker.acknowledgements import Acks
from writegate_writer.broker.channel import LaneChannel
from writegate_writer.broker.dead_queues import DeadQueues
from writegate_writer.broker.frames import read_in_bulk
from writegate_writer.broker.memory_size import memory_size
from writegate_writer.broker.patches import accept_malformed_properties, suspend_heartbeat_check
from writegate_writer.decide.result import BatchResult
from writegate_writer.receive.reading import Delivery
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

# Of each lane: enough to fill the next batch while one is being applied. It cannot be changed while a lane is consumed,
# and nobody knows how large the messages will be: so bytes are bounded by pausing, see `_read`.
PREFETCH = 2000
# Frames handled before the hub gets a turn, so that monitors are answered under load.
_FRAMES_A_TURN = 200
_SUSPENDED_SECONDS = 1.0


class _Open:
    """A domain's open channel."""

    def __init__(self, domain: Domain, channel: Any) -> None:
        self.domain = domain
        self.channel = channel
        self.generation = domain.generation
        self.lanes = tuple(lane for lane in domain.lanes if lane not in domain.stopped)
        self.acks = Acks()
        self.held_bytes = 0  # of what came on it and is not acknowledged


class Lanes:
    """The lanes this process consumes.

    It stands where Celery keeps its task consumer, so that `inspect active_queues` lists them.

    Nothing on the hub thread waits for the broker: while it read on for an answer, more would come than may be held.
    """

    def __init__(
        self, scheduler: DomainScheduler, memory_bytes: int, open_channel: Callable[[Any, int], Any] = LaneChannel
    ) -> None:
        self._scheduler = scheduler
        self._memory_bytes = memory_bytes
        self._open_channel_on = open_channel
        self._held_bytes = 0
        self._paused = False
        self._domains: dict[str, Domain] = {}
        self._open: dict[str, _Open] = {}
        self._dead_queues = DeadQueues(open_channel, scheduler.deliver)
        self._posts: deque[Callable[[], None]] = deque()
        self._connection: Any = None
        self._hub: Any = None
        self.on_message: Any = None  # set by Celery's loop; our messages do not take that way
        self.report_to: Callable[[BatchResult], None] | None = None
        self.shown_to: Callable[[BatchResult], None] | None = None  # on the thread that decided

    # From any thread.

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the hub thread; what is posted is run in the order of posting."""
        self._posts.append(work)
        hub = self._hub
        if hub is not None:
            hub.call_soon(self.run_posts)

    def refresh(self, domain: Domain) -> None:
        """Open or close the domain's channel as its state asks: its state then, whatever the order of calls."""
        self.post(lambda: self._refresh(domain))

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        """So many more parts of each of these are decided."""
        if decided:
            self.post(lambda: self._settle(domain, decided))

    def report(self, done: BatchResult) -> None:
        """Tell Celery's monitors, and who takes samples, what was decided."""
        if self.shown_to is not None:
            self.shown_to(done)
        if self.report_to is not None:
            self.post(lambda: self.report_to(done) if self.report_to else None)

    @property
    def held_bytes(self) -> int:
        """What the messages that are not acknowledged take in memory."""
        return self._held_bytes

    @property
    def connected(self) -> bool:
        """Whether there is a connection to consume on."""
        return self._connection is not None

    # What Celery asks of a task consumer.

    @property
    def queues(self) -> list[Queue]:
        """The lane queues consumed now."""
        return [
            Queue(
                queue_name(service, lane),
                Exchange(exchange_name(service), type="direct"),
                routing_key=str(lane),
                queue_arguments={"x-queue-type": "quorum"},
            )
            for opened in self._open.values()
            for service, lane in opened.lanes
        ]

    def consume(self) -> None:
        """Open the channels of all domains that are being served: the connection is new."""
        for domain in list(self._domains.values()):
            self._refresh(domain)

    # On the hub thread.

    def attach(self, connection: Any, hub: Any) -> None:
        """Take over reading from a connection."""
        self._connection, self._hub = connection, hub
        accept_malformed_properties(connection.connection)
        read_in_bulk(connection.connection)
        suspend_heartbeat_check(connection.connection, lambda: self._paused)
        self._paused = False
        sock = (
            connection.transport.get_sock() if hasattr(connection.transport, "get_sock") else connection.connection.sock
        )
        hub.remove(sock)
        hub.add_reader(sock, self._read)
        hub.call_soon(self._read)
        hub.call_soon(self.run_posts)

    def detach(self) -> None:
        """The connection is gone, and with it every channel."""
        self._connection = None
        self._open.clear()
        self._dead_queues.gone()
        self._held_bytes = 0
        for domain in self._domains.values():
            self._scheduler.drop(domain)

    def close_all(self) -> None:
        """Let go of everything."""
        for opened in list(self._open.values()):
            self._close_channel(opened)

    def run_posts(self) -> None:
        """Do what other threads asked for."""
        while self._posts:
            self._posts.popleft()()

    def _read(self) -> None:
        """Read frames until there are none, or until enough bytes are held: then the broker keeps the rest."""
        connection = self._connection
        if connection is None:
            return
        for _ in range(_FRAMES_A_TURN):
            if self._held_bytes > self._memory_bytes:
                self._paused = True
                self._hub.remove_reader(connection.connection.sock)
                return
            try:
                connection.drain_events(timeout=0)
            except TimeoutError:
                return
            except connection.channel_errors as error:
                self._channel_lost(error)
        # There may be more in a buffer, of which the poller knows nothing.
        self._hub.call_soon(self._read)

    def _resume(self) -> None:
        if self._paused and self._held_bytes <= self._memory_bytes and self._connection is not None:
            self._paused = False
            self._hub.add_reader(self._connection.connection.sock, self._read)
            self._hub.call_soon(self._read)

    def _refresh(self, domain: Domain) -> None:
        if domain.phase is Phase.LEAVING:
            if self._domains.get(domain.name) is domain:
                del self._domains[domain.name]
        else:
            self._domains[domain.name] = domain
        opened = self._open.get(domain.name)
        serving = domain.phase is Phase.SERVING
        if opened is not None:
            if opened.domain is domain and serving and opened.generation == domain.generation:
                return
            if opened.domain is domain or serving:
                self._close_channel(opened)
        if serving and self._connection is not None:
            self._open_channel(domain)

    def _close_channel(self, opened: _Open) -> None:
        del self._open[opened.domain.name]
        self._held_bytes -= opened.held_bytes
        if self._connection is None:
            return
        if opened.channel.is_open:
            opened.channel.leave()
        self._dead_queues.close(opened.domain)
        self._resume()

    def _open_channel(self, domain: Domain) -> None:
        channel = self._open_channel_on(self._connection, PREFETCH)
        opened = self._open[domain.name] = _Open(domain, channel)
        for service, lane in opened.lanes:
            channel.consume(
                queue_name(service, lane),
                lambda message, s=service, n=lane: self._delivered(domain, opened, s, n, message),
                lambda _tag: self._lost(domain, "the broker cancelled the consumer: was the queue deleted?"),
            )
        self._dead_queues.open(self._connection, domain, opened.lanes)

    def _delivered(self, domain: Domain, opened: _Open, service: str, lane: int, message: Any) -> None:
        tag = message.delivery_info["delivery_tag"]
        properties = dict(message.properties)
        headers = properties.pop("application_headers", None) or {}
        body = message.body or b""  # without a body it has text there, not bytes
        delivery = Delivery(service, lane, tag, opened.generation, body, headers, properties)
        if self._scheduler.deliver(domain, delivery):
            opened.acks.delivered(tag)
            delivery.held_bytes = memory_size(body, headers, properties)
            opened.held_bytes += delivery.held_bytes
            self._held_bytes += delivery.held_bytes

    def _settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        tags = []
        opened = self._open.get(domain.name)
        if opened is not None and opened.domain is not domain:
            opened = None  # it was lost and claimed again meanwhile: tags and generations count anew
        for delivery, parts in decided.items():
            delivery.open -= parts
            if delivery.open < 0:
                log.error("delivery.settled_twice", domain=domain.name, tag=delivery.tag)
            if delivery.dead:
                if delivery.open == 0:
                    self._dead_queues.settle(delivery)
                continue
            # A channel that is gone has given its messages back: there is nothing to acknowledge.
            if delivery.open == 0 and opened is not None and delivery.generation == opened.generation:
                tags.append(delivery.tag)
                opened.held_bytes -= delivery.held_bytes
                self._held_bytes -= delivery.held_bytes
        if opened is not None and tags:
            for tag, multiple in opened.acks.settle(tags):
                opened.channel.basic_ack(tag, multiple)
            self._resume()

    def _channel_lost(self, error: Exception) -> None:
        """The broker closed a channel, such as for holding messages too long: start its domain again."""
        self._dead_queues.look(error)
        for opened in list(self._open.values()):
            if not opened.channel.is_open:
                self._lost(opened.domain, str(error))

    def _lost(self, domain: Domain, text: str) -> None:
        log.error("domain.channel_lost", domain=domain.name, error=text)
        self._scheduler.suspend(domain, _SUSPENDED_SECONDS)
        self._refresh(domain)
