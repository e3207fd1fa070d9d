"""Negative controls: without the rule, the checks that the other tests rely on do see the damage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Message, encode, item_of
from writegate.message.topology import queue_name


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_controls") as running:
        yield running


def deposits(account: str) -> list[Deposit]:
    return [Deposit(account=account, seq=seq) for seq in range(20)]


def die_after_commit_and_restart(gate: Gate, account: str, *, altered: str | None) -> None:
    """Have a writer die between its commit and its acknowledgements, and the next one get everything again."""
    bad = Deposit(account=account, seq=-1, amount=-1)
    gate.broker.publish([bad, *deposits(account)])
    gate.writers.start(altered="dies_before_ack", wait=False)
    gate.wait(lambda: not gate.writers["writer-1"].alive, "the writer dies")
    gate.writers.start(altered=altered)
    gate.broker.publish([Deposit(account=f"end of {account}", seq=1)])
    gate.database.wait_entries(f"end of {account}", 1)
    gate.database.wait_entries(account, 20)
    assert list(gate.database.wait_parked(bad.command_id)) == [bad.command_id]
    gate.assert_drained()


def test_with_the_ledger_what_comes_again_has_no_effect(gate: Gate) -> None:
    die_after_commit_and_restart(gate, "with", altered=None)
    gate.database.assert_exactly_once("with", range(20))


def test_without_the_ledger_it_has(gate: Gate) -> None:
    die_after_commit_and_restart(gate, "without", altered="without_ledger")
    with pytest.raises(AssertionError, match="booked more than once"):
        gate.database.assert_exactly_once("without", range(20))


def test_acknowledging_before_the_commit_loses_commands(gate: Gate) -> None:
    gate.broker.publish(deposits("hasty"))
    gate.writers.start(altered="acks_before_commit", wait=False)
    gate.wait(lambda: not gate.writers["writer-1"].alive, "the writer dies")
    gate.writers.start()
    gate.broker.publish([Deposit(account="hasty", seq=20)])
    gate.database.wait_entries("hasty", 1)
    gate.assert_drained()
    with pytest.raises(AssertionError, match="never booked"):
        gate.database.assert_exactly_once("hasty", range(21))


def test_one_message_whose_properties_cannot_be_read_would_end_every_writer(gate: Gate) -> None:
    good = encode(item_of(Deposit(account="unreadable", seq=1)))
    unreadable = Message(good.body, good.headers, {**good.properties, "content_encoding": b"\xff"})
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of("unreadable", trial.lanes)), unreadable)
    gate.writers.start(altered="without_tolerance", wait=False)
    gate.wait(lambda: not gate.writers["writer-1"].alive, "the writer ends")
    assert "UnicodeDecodeError" in gate.writers["writer-1"].log
    gate.writers.start()
    parked = "SELECT count(*) = 1 FROM writegate.parked WHERE cause = 'protocol'"
    gate.wait(lambda: bool(gate.database.value(parked)), "it is parked")
    gate.assert_drained()
