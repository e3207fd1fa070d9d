"""Dead-lettered messages: what they take counts like that of any other message."""

from __future__ import annotations

import pytest

from tests.lane_reader import LaneReader, RecordedChannel
from tests.sample import first_queue
from writegate.message.topology import dead_queue_name
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain

BUDGET_BYTES = 100_000
BODY = b"x" * 70_000
QUEUE = dead_queue_name("trial")


@pytest.fixture
def reader() -> LaneReader:
    return LaneReader(BUDGET_BYTES)


@pytest.fixture
def domain() -> Domain:
    return Domain("trial", 1, (("trial", 0),))


@pytest.fixture
def dead(reader: LaneReader, domain: Domain) -> RecordedChannel:
    _, channel = reader.serve(domain)
    channel.deliver(QUEUE, 1, BODY)
    channel.deliver(QUEUE, 2, BODY)
    return channel


def taken(domain: Domain) -> Delivery:
    queue = first_queue(domain)
    assert queue
    delivery = queue.popleft()
    delivery.undecided_parts = 1
    return delivery


def test_dead_lettered_messages_count_until_they_are_settled(
    reader: LaneReader, domain: Domain, dead: RecordedChannel
) -> None:
    assert reader.lanes.held_bytes > 2 * len(BODY)
    reader.lanes.settle(domain, {taken(domain): 1})
    assert len(BODY) < reader.lanes.held_bytes < 2 * len(BODY)
    reader.lanes.settle(domain, {taken(domain): 1})
    assert reader.lanes.held_bytes == 0
    assert dead.acknowledged == [1, 2]


def test_reading_goes_on_when_enough_of_them_are_settled(
    reader: LaneReader, domain: Domain, dead: RecordedChannel
) -> None:
    assert dead.is_open
    reader.lanes._read()  # noqa: SLF001  what the hub calls
    assert not reader.reading
    reader.lanes.settle(domain, {taken(domain): 1})
    assert reader.reading


def test_they_count_no_more_when_their_channel_is_closed(
    reader: LaneReader, domain: Domain, dead: RecordedChannel
) -> None:
    delivery = taken(domain)
    reader.scheduler.disown(domain)
    reader.lanes.refresh(domain)
    assert reader.lanes.held_bytes == 0
    assert not dead.is_open
    reader.lanes.settle(domain, {delivery: 1})
    assert reader.lanes.held_bytes == 0


def test_they_count_no_more_when_the_connection_is_gone(
    reader: LaneReader, domain: Domain, dead: RecordedChannel
) -> None:
    delivery = taken(domain)
    dead.is_open = False
    reader.lanes.detach()
    reader.lanes.settle(domain, {delivery: 1})
    assert reader.lanes.held_bytes == 0
