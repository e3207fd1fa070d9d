"""The lanes' own code reads from a real broker here; nobody takes what it holds. That is bounded in bytes, also while
lanes are opened and closed; and a channel that the broker closes disturbs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from amqp.exceptions import ConnectionForced
from kombu import Connection
from kombu.asynchronous import Hub

from tests.broker import Vhost, vhost_of
from tests.integration.gate import PATIENCE_SECONDS
from tests.integration.gate_broker import send
from tests.sample import LANES, Note, accounts, first_queue
from tests.servers import Servers
from writegate.message.envelope import encode, item_of
from writegate.message.topology import queue_name
from writegate_devkit.stack.readiness import wait_until
from writegate_writer.broker.channel import LaneChannel
from writegate_writer.broker.lanes import Lanes
from writegate_writer.broker.memory_size import memory_size
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler

BUDGET_BYTES = 1024**2
TEXT_BYTES = 64 * 1024
MESSAGES = 60  # in each lane: four times the budget
MESSAGE_BYTES = TEXT_BYTES + 8 * 1024  # that one takes when it is held, at most


class WaitingChannel(LaneChannel):
    """A negative control: it waits for an answer."""

    def __init__(self, connection: Any, prefetch: int) -> None:
        super().__init__(connection, prefetch)
        self.basic_qos(0, prefetch, False)


class Reader:
    """Lanes on a connection of their own, with a domain for each lane."""

    def __init__(self, url: str, channel: type[LaneChannel] = LaneChannel) -> None:
        self.gate = DomainScheduler()
        self.lanes = Lanes(self.gate, BUDGET_BYTES, channel)
        self.domains = [Domain(f"accounts.{lane}", 1, ((accounts.name, lane),)) for lane in range(LANES)]
        self.connection = Connection(url, heartbeat=10)
        self.hub = Hub()
        self.hub.call_repeatedly(0.01, lambda: None)  # a turn in which nothing comes is soon over
        self.most_bytes = 0
        self.lanes.attach(self.connection, self.hub)

    def open(self, domain: Domain) -> None:
        """Serve a domain from now on."""
        self.gate.own(domain)
        self.gate.serve(domain)
        self.lanes.refresh(domain)
        self.turn()

    def close(self, domain: Domain) -> None:
        """Serve it no more."""
        self.gate.disown(domain)
        self.lanes.refresh(domain)
        self.turn()

    def turn(self) -> None:
        """Let the hub do what there is to do."""
        self.lanes.run_posts()
        self.most_bytes = max(self.most_bytes, self.lanes.held_bytes)
        next(self.hub.loop)
        self.most_bytes = max(self.most_bytes, self.lanes.held_bytes)

    def fill(self) -> None:
        """Read until no more may be held."""

        def full() -> bool:
            self.turn()
            return self.lanes.held_bytes > BUDGET_BYTES

        assert wait_until(full, PATIENCE_SECONDS), f"{self.lanes.held_bytes} bytes came, more are waiting"

    def settle(self, domain: Domain) -> list[Delivery]:
        """Take what waits in a domain, and acknowledge it."""
        taken: list[Delivery] = []
        while queue := first_queue(domain):
            taken.append(queue.popleft())
            taken[-1].undecided_parts = 1
        self.lanes.settle(domain, dict.fromkeys(taken, 1))
        self.turn()
        return taken


@contextmanager
def reading(vhost: Vhost, channel: type[LaneChannel] = LaneChannel) -> Iterator[Reader]:
    reader = Reader(vhost.url(), channel)
    try:
        with reader.connection:
            yield reader
    finally:
        reader.hub.close()


@pytest.fixture(scope="module")
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "memory") as made:
        made.declare(accounts)
        yield made


def fill_lanes(vhost: Vhost) -> None:
    """Have so many messages wait in each lane."""
    message = encode(item_of(Note(text="x" * TEXT_BYTES)))
    with vhost.channel() as channel:
        channel.confirm_delivery()
        for lane in range(LANES):
            channel.queue_purge(queue_name(accounts.name, lane))
            for _ in range(MESSAGES):
                send(channel, queue_name(accounts.name, lane), message)


def open_and_close(reader: Reader) -> None:
    """Hold as much as may be, and then open, close and open again."""
    first, *others = reader.domains
    reader.open(first)
    reader.fill()
    for domain in others:
        reader.open(domain)
    for domain in others:
        reader.close(domain)
    reader.close(first)
    assert reader.lanes.held_bytes == 0
    for lane in range(LANES):
        reader.domains[lane] = Domain(f"accounts.{lane}", 2, ((accounts.name, lane),))
        reader.open(reader.domains[lane])
    reader.fill()


def test_no_more_is_held_than_may_be_and_a_message(vhost: Vhost) -> None:
    fill_lanes(vhost)
    with reading(vhost) as reader:
        open_and_close(reader)
        counts: dict[str, int] = dict.fromkeys((one.name for one in reader.domains), 0)

        def all_came() -> bool:
            reader.turn()
            for domain in reader.domains:
                counts[domain.name] += len(reader.settle(domain))
            return set(counts.values()) == {MESSAGES}

        assert wait_until(all_came, PATIENCE_SECONDS), counts
        assert reader.lanes.held_bytes == 0
    assert reader.most_bytes <= BUDGET_BYTES + MESSAGE_BYTES
    assert vhost.waiting(accounts, 0) == 0


def test_who_waits_for_an_answer_holds_what_comes_before_it(vhost: Vhost) -> None:
    fill_lanes(vhost)
    with reading(vhost, WaitingChannel) as reader:
        open_and_close(reader)
    assert reader.most_bytes > 2 * BUDGET_BYTES


def test_a_broker_that_is_not_read_from_is_not_taken_for_dead(vhost: Vhost) -> None:
    fill_lanes(vhost)
    with reading(vhost) as reader:

        def hear_nothing() -> None:
            driver = reader.connection.connection
            reader.connection.heartbeat_check()
            driver.last_heartbeat_received = 1.0  # long ago
            reader.connection.heartbeat_check()

        with pytest.raises(ConnectionForced, match="heartbeats missed"):
            hear_nothing()
        reader.open(reader.domains[0])
        reader.fill()
        reader.turn()  # it notices that it is enough
        hear_nothing()
        reader.close(reader.domains[0])
        with pytest.raises(ConnectionForced, match="heartbeats missed"):
            hear_nothing()


def test_a_channel_that_the_broker_closes_takes_no_other_with_it(vhost: Vhost) -> None:
    fill_lanes(vhost)
    gone, queue = Domain("gone", 1, ((accounts.name, LANES),)), queue_name(accounts.name, LANES)
    with reading(vhost) as reader:
        first = reader.domains[0]
        came: list[Delivery] = []

        def until(condition: Callable[[], bool], what: str) -> None:
            def turned() -> bool:
                reader.turn()
                came.extend(reader.settle(first))
                return condition()

            assert wait_until(turned, PATIENCE_SECONDS), what

        reader.open(first)
        reader.open(gone)
        until(lambda: gone.phase is Phase.STARTING, "a queue that is not there is noticed")
        until(lambda: len(came) == MESSAGES, "the other lane is consumed")
        assert first.generation == 0  # on the channel it began with
        with vhost.channel() as channel:
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            send(channel, queue, encode(item_of(Note(text="there again"))))
        reader.open(gone)
        until(lambda: gone.messages_in_memory == 1, "it is consumed once it is there again")


def test_headers_weigh_what_they_take() -> None:
    flat = {f"{number:02}": None for number in range(100)}
    assert memory_size(flat) > 100 * 50  # each name is an object of its own
    nested: dict[str, Any] = {"deep": [{"er": [flat, flat]}]}
    assert memory_size(nested) > 2 * memory_size(flat)
    assert memory_size(b"x" * 1000, {}) > 1000
