"""A publisher that is closed while the broker takes nothing: nobody waits for ever, nothing accepted is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sample import Deposit, accounts
from writegate.errors import PublisherClosed
from writegate.publishing import Accepted
from writegate.testing import MemoryBroker
from writegate_devkit.stack.readiness import wait_until

LONG = 30.0


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    with MemoryBroker([accounts]) as made:
        yield made


def called_and_closed(broker: MemoryBroker, **settings: Any) -> Future[Accepted]:
    """Return a call that waits for a blocked broker, whose publisher is closed meanwhile."""
    publisher = broker.publisher(publish_timeout_seconds=10 * LONG, **settings)
    publisher.publish(Deposit(account="a", amount=1))
    with broker.blocked(), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(publisher.publish, Deposit(account="a", amount=2))
        capacity = publisher._capacity  # noqa: SLF001  nothing public shows that the call has handed in its command
        assert wait_until(lambda: not capacity.wait_empty(0), LONG)
        publisher.close(timeout=0.1)
        waiting.exception(LONG)
    return waiting


def test_without_a_spool_the_call_is_told(broker: MemoryBroker) -> None:
    with pytest.raises(PublisherClosed, match="closed before the command was accepted"):
        called_and_closed(broker, spool_directory="off").result()


def test_with_a_spool_the_command_goes_there_and_the_next_publisher_sends_it(
    broker: MemoryBroker, tmp_path: Path
) -> None:
    spooled = called_and_closed(broker, spool_directory=str(tmp_path)).result()
    assert spooled.accepted_by == "spooled"
    with broker.publisher(spool_directory=str(tmp_path)) as successor:
        successor.publish(Deposit(account="a", amount=3))
    amounts = [command.amount for command in broker.published if isinstance(command, Deposit)]
    assert list(dict.fromkeys(amounts)) == [1, 2, 3]


def test_all_that_was_accepted_can_be_waited_for_the_spool_included(broker: MemoryBroker, tmp_path: Path) -> None:
    """A program that ends would leave it in the spool, and nobody may come to send it."""
    with broker.publisher(spool_directory=str(tmp_path), publish_timeout_seconds=0.1) as publisher:
        with broker.away():
            assert publisher.publish(Deposit(account="a", amount=1)).accepted_by == "spooled"
            assert not publisher.wait_confirmed(0.1)
            assert broker.published == []
        assert publisher.wait_confirmed(LONG)
        assert [command.amount for command in broker.published if isinstance(command, Deposit)] == [1]
