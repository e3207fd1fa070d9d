"""What handlers emit goes out in order, exactly once, whatever happens to the writer in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Split

WAITING = "SELECT count(*) FROM writegate.outbox"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_outbox") as running:
        yield running


def splits(into: str) -> list[Split]:
    """Return commands of different keys and lanes that together emit deposits 0 to 999, in this order."""
    return [Split(account="source", into=into, first=first, count=20) for first in range(0, 1000, 20)]


def test_what_is_emitted_goes_out_in_order_and_is_forgotten(gate: Gate) -> None:
    gate.writers.start()
    gate.broker.publish(splits("first"))
    gate.database.wait_entries("first", 1000)
    gate.database.assert_exactly_once("first", range(1000))
    gate.wait(lambda: gate.database.value(WAITING) == 0, "an empty outbox")
    gate.assert_drained()


def test_what_a_dead_writer_left_goes_out_first_and_once(gate: Gate) -> None:
    gate.broker.publish(splits("second"))
    gate.writers.start(altered="dies_before_ack", wait=False)
    gate.wait(lambda: not gate.writers["writer-1"].alive, "the writer dies")
    left = gate.database.value(WAITING)
    assert left > 0
    assert gate.database.entries("second") == {"second": []}
    gate.writers.start("writer-2")
    gate.broker.publish([Deposit(account="second", seq=1000)])
    gate.database.wait_entries("second", 1001)
    booked = gate.database.entries("second")["second"]
    booked.remove(1000)  # of another publisher, so anywhere
    assert booked == list(range(1000))
    gate.wait(lambda: gate.database.value(WAITING) == 0, "an empty outbox")
    assert f"leftovers={left}" in gate.writers["writer-2"].log
    gate.assert_drained()
