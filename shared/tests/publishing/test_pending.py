"""Waiting for receipts: what is final ends it, and what says deferred is followed by another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.deadlines import patient
from tests.sample import Deposit, accounts
from writegate.errors import ReceiptTimeout
from writegate.message.receipt import Cause, Receipt, to_result_message
from writegate.publishing import Publisher
from writegate.publishing.pending import PendingReceipt
from writegate.testing import MemoryBroker

SECONDS = patient(10)


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    with MemoryBroker([accounts]) as made:
        yield made


@pytest.fixture
def publisher(broker: MemoryBroker) -> Iterator[Publisher]:
    with broker.publisher() as made:
        yield made


def asked(broker: MemoryBroker, publisher: Publisher) -> tuple[PendingReceipt, str]:
    """Publish a command; return what waits for its receipt, and the address that a writer answers to."""
    pending = publisher.publish(Deposit(account="a", amount=1), receipt=True)
    [stored] = broker.take()
    assert stored.sent.properties.reply_to is not None
    return pending, stored.sent.properties.reply_to


def test_a_deferred_command_is_waited_for(broker: MemoryBroker, publisher: Publisher) -> None:
    pending, address = asked(broker, publisher)
    deferred = Receipt(pending.command_id, "deferred", cause=Cause("deferred", "held: a test"))
    publisher.reply(address, pending.command_id, to_result_message(deferred))
    assert pending.wait(SECONDS, final=False) == deferred
    with pytest.raises(ReceiptTimeout, match=r"is deferred after 0.05 s \(held: a test\): look it up later"):
        pending.wait(0.05)
    applied = Receipt(pending.command_id, "applied", 7, result={"n": 1})
    publisher.reply(address, pending.command_id, to_result_message(applied))
    assert pending.wait(SECONDS) == applied
    assert pending.wait(0, final=False) == deferred, "it stays the first"

    async def both() -> tuple[Receipt, Receipt]:
        return await pending.get(SECONDS), await pending.get(SECONDS, final=False)

    assert asyncio.run(both()) == (applied, deferred)


@pytest.mark.parametrize("outcome", ["applied", "duplicate", "declined", "parked"])
def test_what_is_final_is_the_first_and_the_last(broker: MemoryBroker, publisher: Publisher, outcome: str) -> None:
    pending, address = asked(broker, publisher)
    receipt = Receipt(pending.command_id, outcome, 7)  # type: ignore[arg-type]  # one of them
    publisher.reply(address, pending.command_id, to_result_message(receipt))
    assert (pending.wait(SECONDS), pending.wait(SECONDS, final=False)) == (receipt, receipt)


def test_an_answer_that_cannot_be_read_ends_both(broker: MemoryBroker, publisher: Publisher) -> None:
    pending, address = asked(broker, publisher)
    publisher.reply(address, pending.command_id, b'{"result": {"from": "a later version"}}')
    for final in (True, False):
        with pytest.raises(ReceiptTimeout, match="cannot be read"):
            pending.wait(SECONDS, final=final)
