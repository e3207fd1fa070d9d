"""Consuming the lanes. It runs on the hub thread; other threads hand in work with :meth:`Lanes.post`.

Each domain has a channel of its own: closing it returns its unacknowledged messages in order and disturbs no other.
`basic.cancel` is never used: the cancelled consumer would keep its unacknowledged messages while the next consumer
is given later ones.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from kombu import Exchange, Queue

from writegate.message.topology import exchange_name, queue_name
from writegate_writer.broker.acknowledgements import Acks
from writegate_writer.broker.channel import LaneChannel
from writegate_writer.broker.dead_queues import DeadQueues
from writegate_writer.broker.memory_size import MemoryBudget, memory_size
from writegate_writer.broker.message_contents import MessageContents
from writegate_writer.broker.patches import accept_malformed_properties, read_in_bulk, suspend_heartbeat_check
from writegate_writer.counters import REPLIES_REFUSED
from writegate_writer.decide.result import BatchResult
from writegate_writer.receive.delivery import Delivery
from writegate_writer.receive.verified import verify
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

# Of each lane: enough to fill the next batch while one is being applied. It cannot be changed while a lane is consumed,
# and it counts messages, whatever their size: so bytes are bounded by not reading, see `_read`.
PREFETCH = 2000
# Methods read before the hub handles other events, so that monitors are answered under load.
_METHODS_A_TURN = 200
_SUSPENDED_SECONDS = 1.0


class _OpenChannel:
    """A domain's open channel."""

    def __init__(self, domain: Domain, channel: Any) -> None:
        self.domain = domain
        self.channel = channel
        self.generation = domain.generation
        self.lanes = tuple(lane for lane in domain.lanes if lane not in domain.stopped)
        self.acks = Acks()
        self.held_bytes = 0  # by its unacknowledged messages


class Lanes:
    """The lanes that this process consumes.

    It takes the place of Celery's task consumer, so that `inspect active_queues` lists the lanes.

    Nothing on the hub thread waits for an answer of the broker: reading on until it came, more messages would arrive
    than may be held.

    Which thread: the hub thread owns all fields. Others call :meth:`post`, :meth:`refresh`, :meth:`settle` and
    :meth:`report`, which only append to ``_posts`` (a deque is safe for that), and read the properties.
    """

    def __init__(
        self, scheduler: DomainScheduler, memory_bytes: int, open_channel: Callable[[Any, int], Any] = LaneChannel
    ) -> None:
        self._scheduler = scheduler
        self._memory = MemoryBudget(memory_bytes)
        self.contents = MessageContents()
        self._open_channel_on = open_channel
        self._paused = False
        self._domains: dict[str, Domain] = {}
        self._open: dict[str, _OpenChannel] = {}
        self._dead_queues = DeadQueues(open_channel, scheduler.deliver, self._memory)
        self._posts: deque[Callable[[], None]] = deque()
        self._connection: Any = None
        self._hub: Any = None
        self.on_message: Any = None  # set by Celery's loop; our messages do not take that way
        self.report_to_celery: Callable[[BatchResult], None] | None = None
        self.sample: Callable[[BatchResult], None] | None = None  # called on the slot's thread

    # From any thread.

    def post(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the hub thread, in the order of posting."""
        self._posts.append(work)
        hub = self._hub
        # The hub keeps its callbacks in a set, so the order is kept here. kombu's `call_soon` wakes a hub that polls.
        if hub is not None:
            hub.call_soon(self.run_posts)

    def refresh(self, domain: Domain) -> None:
        """Open or close the domain's channel as its state asks: its state then, whatever the order of calls."""
        self.post(lambda: self._refresh(domain))

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        """Count so many more parts of each delivery as decided; acknowledge those of which no part is left."""
        if decided:
            self.post(lambda: self._settle(domain, decided))

    def report(self, done: BatchResult) -> None:
        """Report a finished batch to Celery's monitors, and to whoever samples finished commands."""
        if self.sample is not None:
            self.sample(done)
        if self.report_to_celery is not None:
            self.post(lambda: self.report_to_celery(done) if self.report_to_celery else None)

    @property
    def held_bytes(self) -> int:
        """Memory that unacknowledged messages take, dead-lettered ones included."""
        return self._memory.held_bytes

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the broker."""
        return self._connection is not None

    def start(self) -> None:
        """Do nothing: Celery connects, and calls :meth:`attach` with each connection."""

    def stop(self, deadline: float) -> None:
        """Close all channels. From any thread but the hub's, on which it is done."""
        closed = threading.Event()
        self.post(self.close_all)
        self.post(closed.set)
        closed.wait(max(0.0, deadline - time.monotonic()))

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
        """Read from a new connection from now on, in place of kombu's transport."""
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
        """Forget the channels: the connection is gone."""
        self._connection = None
        for opened in self._open.values():
            self._memory.held_bytes -= opened.held_bytes
        self._open.clear()
        self._dead_queues.connection_lost()
        for domain in self._domains.values():
            self._scheduler.drop(domain)

    def run_hub(self, seconds: float) -> None:
        """Handle posts and the hub's events, heartbeats among them, for about so long: outside of Celery's loop."""
        if self._connection is None:
            self.run_posts()
            time.sleep(seconds)
            return
        self._hub.call_later(seconds, lambda: None)  # ends the poll
        try:
            self._hub.run_once()
        except self._connection.connection_errors as error:
            log.warning("lanes.connection_lost", error=str(error))
            self.detach()
        except Exception:
            # Some other reader of the hub, such as Celery's remote control: it must not end the stopping.
            log.exception("lanes.hub_failed")

    def close_all(self) -> None:
        """Close all channels: what is unacknowledged goes back to the broker, in order."""
        for opened in list(self._open.values()):
            self._close_channel(opened)

    def run_posts(self) -> None:
        """Do the work that other threads posted."""
        while self._posts:
            self._posts.popleft()()

    def _read(self) -> None:
        """Read until nothing is left, or until enough bytes are held: the rest stays with the broker then."""
        connection = self._connection
        if connection is None:
            return
        for _ in range(_METHODS_A_TURN):
            if self._memory.exceeded:
                self._paused = True
                self._hub.remove_reader(connection.connection.sock)
                return
            try:
                connection.drain_events(timeout=0)
            except TimeoutError:
                return
            except connection.channel_errors as error:
                self._channel_lost(error)
        # More may be in the read buffer, where the poller does not see it.
        self._hub.call_soon(self._read)

    def _resume(self) -> None:
        if self._paused and not self._memory.exceeded and self._connection is not None:
            self._paused = False
            self._hub.add_reader(self._connection.connection.sock, self._read)
            self._hub.call_soon(self._read)

    def _refresh(self, domain: Domain) -> None:
        if domain.phase is Phase.GIVING_UP:
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

    def _close_channel(self, opened: _OpenChannel) -> None:
        del self._open[opened.domain.name]
        self._memory.held_bytes -= opened.held_bytes
        if self._connection is None:
            return
        if opened.channel.is_open:
            opened.channel.close_without_waiting()
        self._dead_queues.close(opened.domain)
        self._resume()

    def _open_channel(self, domain: Domain) -> None:
        channel = self._open_channel_on(self._connection, PREFETCH)
        opened = self._open[domain.name] = _OpenChannel(domain, channel)
        for service, lane in opened.lanes:
            channel.consume(
                queue_name(service, lane),
                lambda message, s=service, n=lane: self._delivered(domain, opened, s, n, message),
                lambda _tag: self._lost(domain, "the broker cancelled the consumer: was the queue deleted?"),
            )
        self._dead_queues.open(self._connection, domain, opened.lanes)

    def _delivered(self, domain: Domain, opened: _OpenChannel, service: str, lane: int, message: Any) -> None:
        tag = message.delivery_info["delivery_tag"]
        properties = dict(message.properties)
        headers = properties.pop("application_headers", None) or {}
        body = message.body or b""  # without a body py-amqp has a text there, not bytes
        verified = verify(headers, properties, redelivered=message.delivery_info["redelivered"])
        if verified.reply_refused:
            REPLIES_REFUSED.labels(service).inc()
        delivery = Delivery(service, lane, tag, opened.generation, body, headers, properties, verified=verified)
        delivery.held_bytes = memory_size(body, headers, properties)
        if self._scheduler.deliver(domain, delivery):
            opened.acks.delivered(tag)
            opened.held_bytes += delivery.held_bytes
            self._memory.held_bytes += delivery.held_bytes

    def _settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        tags = []
        opened = self._open.get(domain.name)
        if opened is not None and opened.domain is not domain:
            opened = None  # the domain was lost and claimed again meanwhile: tags and generations start anew
        finished: Counter[str] = Counter()
        commands: Counter[str] = Counter()
        for delivery, parts in decided.items():
            commands[delivery.service] += parts
            delivery.undecided_parts -= parts
            finished[delivery.service] += delivery.undecided_parts == 0
            if delivery.undecided_parts < 0:
                log.error("delivery.settled_twice", domain=domain.name, tag=delivery.tag)
            if delivery.dead:
                if delivery.undecided_parts == 0:
                    self._dead_queues.settle(delivery)
                continue
            # The messages of an earlier channel went back to the broker: there is nothing to acknowledge.
            if delivery.undecided_parts == 0 and opened is not None and delivery.generation == opened.generation:
                tags.append(delivery.tag)
                opened.held_bytes -= delivery.held_bytes
                self._memory.held_bytes -= delivery.held_bytes
        self.contents.add(+finished, commands)
        if opened is not None and tags:
            for tag, multiple in opened.acks.settle(tags):
                opened.channel.basic_ack(tag, multiple)
        self._resume()

    def _channel_lost(self, error: Exception) -> None:
        """Start the domain of each closed channel again. The broker closes one that holds messages for too long."""
        self._dead_queues.close_broken(error)
        for opened in list(self._open.values()):
            if not opened.channel.is_open:
                self._lost(opened.domain, str(error))

    def _lost(self, domain: Domain, text: str) -> None:
        log.error("domain.channel_lost", domain=domain.name, error=text)
        self._scheduler.suspend(domain, _SUSPENDED_SECONDS)
        self._refresh(domain)
