"""How commands become transactions: alone, together, and around one that is bad."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode, item_of
from writegate.message.topology import queue_name


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_batches") as running:
        yield running


def test_one_command_that_breaks_a_check_harms_only_itself(gate: Gate) -> None:
    commands = [Deposit(account="crowd", seq=seq, amount=-1 if seq == 77 else 1) for seq in range(500)]
    gate.broker.publish(commands)
    before = rollbacks(gate)
    gate.writers.start(slots=1)
    gate.database.wait_entries("crowd", 499)
    bad = commands[77]
    cause, sqlstate, message, raw = gate.database.wait_parked(bad.command_id)[bad.command_id]
    assert gate.database.entries("crowd") == {"crowd": [seq for seq in range(500) if seq != 77]}
    assert (cause, sqlstate) == ("sqlstate-23514", "23514")
    assert 'violates check constraint "entry_amount_check"' in message
    assert raw == bad.model_dump_json().encode()
    assert gate.database.sql("SELECT task, key FROM writegate.parked WHERE id = %s", [bad.command_id]) == [
        ("trial.deposit", "crowd")
    ]
    gate.assert_drained()
    batches, decided = gate.database.batches()
    failed = rollbacks(gate) - before
    assert decided == 500
    assert failed >= 2  # with others, and alone: the database says whom it means
    assert batches + failed < 25


def test_an_idle_writer_commits_each_lone_command_by_itself(gate: Gate) -> None:
    gate.writers.start()
    before = gate.database.batches()
    with gate.broker.publisher() as publisher:
        for seq in range(5):
            assert (
                publisher.publish(Deposit(account="alone", seq=seq), receipt=True).wait(patient(10)).outcome
                == "applied"
            )
    after = gate.database.batches()
    assert (after[0] - before[0], after[1] - before[1]) == (5, 5)
    gate.assert_drained()


def test_a_busy_writer_commits_many_messages_together(gate: Gate) -> None:
    before = gate.database.batches()
    lane = queue_name("trial", lane_of("busy", trial.lanes))
    with gate.broker.channel() as channel:
        for seq in range(2000):
            send(channel, lane, encode(item_of(Deposit(account="busy", seq=seq))))
    gate.writers.start()
    gate.database.wait_entries("busy", 2000)
    assert gate.database.entries("busy") == {"busy": list(range(2000))}
    gate.assert_drained()
    batches, decided = (after - earlier for after, earlier in zip(gate.database.batches(), before, strict=True))
    assert decided == 2000
    assert batches <= decided / 10


def test_packed_commands_are_committed_by_the_hundred(gate: Gate) -> None:
    before = gate.database.batches()
    gate.writers.start()
    gate.broker.publish(Deposit(account=f"packed-{seq % 4}", seq=seq) for seq in range(5000))
    for account in range(4):
        gate.database.wait_entries(f"packed-{account}", 1250)
    gate.assert_drained()
    batches, decided = (after - earlier for after, earlier in zip(gate.database.batches(), before, strict=True))
    assert decided == 5000
    assert batches <= decided / 250


def rollbacks(gate: Gate) -> int:
    """Return how many transactions failed in this database; the server tells a session's when it ends or idles."""
    gate.database.sql("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    return int(gate.database.value("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"))
