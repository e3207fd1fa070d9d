"""A writer that is told to stop finishes its batch, however long that takes, and acknowledges it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run

# RabbitMQ closes a connection without heartbeats after two intervals and a bit: within 3 s, with one second each.
HEARTBEAT_SECONDS = 1
BATCH_SECONDS = 8


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_stop") as running:
        yield running


def test_heartbeats_are_sent_while_the_last_batch_is_finished(gate: Gate) -> None:
    gate.database.sql("INSERT INTO trial.script (name, sql) VALUES ('slow', %s)", [f"SELECT pg_sleep({BATCH_SECONDS})"])
    gate.writers.start(WRITEGATE_HEARTBEAT_SECONDS=HEARTBEAT_SECONDS)
    gate.broker.publish([Run(account="slow", name="slow"), Deposit(account="slow", seq=1)])
    running = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(%%'"
    gate.wait(lambda: bool(gate.database.value(running)), "the handler runs")
    assert gate.writers.stop() == 0
    # A connection that was closed meanwhile would have given its messages back.
    assert set(gate.broker.ready_counts().values()) == {0}, "applied, and not acknowledged"
    gate.database.assert_exactly_once("slow", [1])
