"""What publishers and writers say to RabbitMQ, counted: frames, confirms, acknowledgements, connections, channels.

Whoever changes how something travels changes the numbers here, with what they are made of.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker import Vhost, vhost_of
from tests.frames import FrameRelay
from tests.integration.gate import WRITER, gate_running
from tests.integration.gate_broker import send
from tests.sample import Note, accounts
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode, item_of
from writegate.message.topology import queue_name
from writegate.publishing import Publisher

# Of each message: what it is, its properties with the headers, and its body, which fits into a frame of 128 KiB.
A_MESSAGE = {"basic.publish": 1, "header": 1, "body": 1}
A_CONFIRM = {"basic.ack": 1}
# In a message of many: its id (36 bytes), task (13), version and key (none), {"text":"x"}, and what separates them.
A_COMMAND_BYTES = 36 + 13 + 1 + 4 + 12 + 11
AROUND_BYTES = 17 + 64 - 1  # before the first, and what Celery has behind the last, which no comma follows
PUBLISHER_CHANNELS = 2  # one for publishing; one on which it is told the answers to what it asked, receipts
# Of a writer: for consuming, publishing, and Celery's events.
WRITER_CONNECTIONS = 3
# Beside one for each domain and dead-letter queue: Celery's remote control, its events, and the two of the publisher.
OTHER_CHANNELS = 4


@pytest.fixture
def relay(servers: Servers) -> Iterator[FrameRelay]:
    made = FrameRelay(servers.stack.state.ports["rabbitmq"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "costs") as made:
        made.declare(accounts)
        yield made


def test_frames_of_a_publisher(vhost: Vhost, relay: FrameRelay) -> None:
    with Publisher(vhost.settings(relay.in_place(vhost.url()))) as publisher:
        publisher.publish(Note(text="the first one waits for the connection"))
        before = len(relay.frames)
        publisher.publish(Note(text="x"))
        assert relay.counts(from_client=True, since=before) == A_MESSAGE
        assert relay.counts(from_client=False, since=before) == A_CONFIRM
        before = len(relay.frames)
        publisher.publish_many([Note(text="x") for _ in range(1000)])
        assert relay.counts(from_client=True, since=before) == A_MESSAGE
        assert relay.counts(from_client=False, since=before) == A_CONFIRM
        [body] = [one.payload for one in relay.frames[before:] if one.name == "body"]
        assert len(body) == 1000 * A_COMMAND_BYTES + AROUND_BYTES
        channels = relay.counts(from_client=True)["channel.open"]
    assert (relay.connections, channels) == (1, PUBLISHER_CHANNELS)


def test_a_message_for_each_call_is_seen(vhost: Vhost, relay: FrameRelay) -> None:
    """The negative control: what is published one by one does not travel together."""
    with Publisher(vhost.settings(relay.in_place(vhost.url()))) as publisher:
        for _ in range(5):
            publisher.publish(Note(text="x"))
    assert relay.counts(from_client=True)["basic.publish"] == 5


def test_frames_of_a_writer(servers: Servers, relay: FrameRelay) -> None:
    with gate_running(servers, "gate_costs_broker") as gate:
        lane = queue_name("trial", lane_of("busy", trial.lanes))
        with gate.broker.channel() as channel:
            for seq in range(1000):
                send(channel, lane, encode(item_of(Deposit(account="busy", seq=seq))))
        gate.writers.start(slots=1, writegate_broker_url=relay.in_place(gate.broker.url(WRITER)))
        gate.database.wait_entries("busy", 1000)
        batches, _ = gate.database.batches()

        def acks() -> list[bool]:
            return [one.multiple for one in relay.frames if one.from_client and one.name == "basic.ack"]

        def opened() -> int:
            return relay.counts(from_client=True)["channel.open"]

        gate.wait(lambda: len(acks()) >= batches, "the batches are acknowledged")
        assert acks() == [True] * batches
        consumed = [one for one in relay.frames if one.name == "basic.consume" and b"writes." in one.payload]
        dead = [one for one in consumed if b".dead" in one.payload]
        assert len(consumed) - len(dead) == gate.database.value("SELECT count(*) FROM writegate.lane")
        assert len(dead) == gate.database.value("SELECT count(DISTINCT service) FROM writegate.lane")
        assert len({one.connection for one in consumed}) == 1
        domains = gate.database.value("SELECT count(*) FROM writegate.domain")
        channels = domains + len(dead) + OTHER_CHANNELS
        gate.wait(lambda: opened() >= channels, "the writer has all its channels")
        assert opened() == channels
        assert relay.connections == WRITER_CONNECTIONS
        gate.assert_drained()
