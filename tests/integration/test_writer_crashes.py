"""Commands that end the process: cornered, parked after three deaths, and everything else applied once, in order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.integration.supervised import Supervised, supervised
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Wreck, trial
from writegate import Command
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode, encode_many, item_of
from writegate.message.topology import queue_name

# A batch is halved with each of ten deaths; then come three of a command that is applied alone.
HALVINGS, ALONE = 10, 3
PATIENCE_SECONDS = patient(240)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_crashes") as running:
        yield running


def put(gate: Gate, command: Command, *, stock: bool = False) -> Command:
    """Put a command straight into its lane, a message of its own; ``stock``: with the id of a stock producer."""
    command = command.with_id(str(uuid.uuid4())) if stock else command
    item = item_of(command)
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of(item.key, trial.lanes)), encode(item))
    return command


def put_many(gate: Gate, commands: list[Command]) -> None:
    """Put commands of one lane into it, packed in one message."""
    items = [item_of(one) for one in commands]
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of(items[0].key, trial.lanes)), encode_many("packed", items))


def assert_parked_for_crashes(gate: Gate, writer: Supervised, *killers: Command) -> None:
    ids = [one.command_id for one in killers]
    gate.wait(
        lambda: len(gate.database.parked(*ids)) == len(ids), f"parked, after {writer.starts} starts", PATIENCE_SECONDS
    )
    for cause, sqlstate, message, _ in gate.database.parked(*ids).values():
        assert (cause, sqlstate) == ("crash", None)
        assert message == "the writer died 3 times while it applied this command alone"
    others = "SELECT id, message FROM writegate.parked WHERE task <> 'trial.wreck'"
    assert gate.database.sql(others) == [], "nothing else is parked"


def assert_lives(gate: Gate, writer: Supervised, account: str) -> None:
    """The writer that is there now goes on, and nothing is left of the search."""
    starts = writer.starts
    gate.broker.publish([Deposit(account=account, seq=0)])
    gate.database.wait_entries(account, 1)
    assert writer.running.state == "RUNNING"
    assert writer.starts == starts
    # A suspect is cleared after the commit of what it was suspected of.
    gate.wait(lambda: gate.database.sql("SELECT * FROM writegate.suspect") == [], "nothing is suspect any more")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("altered", "halvings"),
    [
        pytest.param("with_early_corner", 2, marks=pytest.mark.slow),
        pytest.param(None, HALVINGS, marks=pytest.mark.long),
    ],
)
def test_commands_that_end_the_process_are_cornered_and_harm_nobody(
    gate: Gate, altered: str | None, halvings: int
) -> None:
    """One of a stock producer, and one packed in a message with 99 good ones; both with good ones of their own key."""
    single, packed, *others = (f"{name}-{halvings}" for name in ("single", "packed", "c", "d"))
    good = {account: [Deposit(account=account, seq=seq) for seq in range(100)] for account in (single, packed)}
    good |= {account: [Deposit(account=account, seq=seq) for seq in range(50)] for account in others}
    for account in (single, *others):
        gate.broker.publish(good[account][:25])
    stock_killer = put(gate, Wreck(account=single, seq=-1, how="kill"), stock=True)
    packed_killer = Wreck(account=packed, seq=-1, how="exit")
    put_many(gate, [*good[packed][:60], packed_killer, *good[packed][60:99]])
    for account in (single, *others):
        gate.broker.publish(good[account][25:])
    gate.broker.publish(good[packed][99:])
    with supervised(gate, altered=altered, writegate_lease_seconds=1) as writer:
        assert_parked_for_crashes(gate, writer, stock_killer, packed_killer)
        for account, deposits in good.items():
            gate.database.wait_entries(account, len(deposits))
        assert writer.starts - 1 <= halvings + 2 * ALONE
        assert_lives(gate, writer, f"after {halvings}")
    for account, deposits in good.items():
        gate.database.assert_exactly_once(account, range(len(deposits)))
    gate.assert_drained()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_deferred_command_that_ends_the_process_is_cornered_too(gate: Gate, tmp_path: Path) -> None:
    harmless = str(tmp_path)
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial.wreck', 'a test', 'me')")
    good = [Wreck(account="deferred", seq=seq, how="kill", unless=harmless) for seq in range(50)]
    killer = Wreck(account="deferred", seq=-1, how="kill")
    gate.broker.publish([*good[:30], killer, *good[30:]])
    with supervised(gate, writegate_lease_seconds=1) as writer:
        waiting = "SELECT count(*) = 51 FROM writegate.deferred WHERE key = 'deferred' AND state = 'deferred'"
        gate.wait(lambda: bool(gate.database.value(waiting)), "51 deferred")
        gate.database.sql("DELETE FROM writegate.hold")
        assert_parked_for_crashes(gate, writer, killer)
        gate.database.wait_entries("deferred", 50)
        assert writer.starts - 1 <= HALVINGS + ALONE
        assert_lives(gate, writer, "after the deferred")
    gate.database.assert_exactly_once("deferred", range(50))
    gate.assert_drained()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_without_the_corner_writers_die_for_ever(gate: Gate) -> None:
    killer = put(gate, Wreck(account="for ever", seq=0, how="kill"))
    with supervised(gate, altered="without_corner", writegate_lease_seconds=1) as writer:
        bound = HALVINGS + ALONE
        gate.wait(lambda: writer.starts - 1 > bound, f"more than {bound} deaths", PATIENCE_SECONDS)
        assert gate.database.parked(killer.command_id) == {}
    # The next one with a corner finds it at once: the broker has counted.
    with supervised(gate, writegate_lease_seconds=1) as writer:
        assert_parked_for_crashes(gate, writer, killer)
        assert writer.starts - 1 == ALONE
