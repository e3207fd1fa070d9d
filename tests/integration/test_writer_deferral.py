"""What must wait, waits in order and is applied once, and nobody else waits with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Careful, Choose, Deposit, Renamed, trial
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.envelope import VERSION_HEADER, Item, Message, encode, item_of
from writegate.message.topology import queue_name

ACCOUNT = "older"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_deferral") as running:
        running.writers.start()
        yield running
        running.assert_drained()


def hold(gate: Gate, target: str) -> None:
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES (%s, 'a test', 'me')", [target])


def release(gate: Gate) -> None:
    gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")


def deferred(gate: Gate, account: str) -> int:
    return int(
        gate.database.value("SELECT count(*) FROM writegate.deferred WHERE key = %s AND state = 'deferred'", [account])
    )


@pytest.mark.parametrize("target", ["trial.deposit", "trial key=held-1", "table:trial.entry"])
def test_a_hold_on_less_than_a_lane_defers_and_its_release_applies_in_order(gate: Gate, target: str) -> None:
    account = f"held-{1 if 'key' in target else target}"
    hold(gate, target)
    gate.broker.publish(
        [Deposit(account=account, seq=0), Choose(account=account, seq=1), Deposit(account=account, seq=2)]
    )
    gate.wait(lambda: deferred(gate, account) == 3, "3 deferred")
    # A writer that comes anew knows what waits.
    gate.writers.stop()
    gate.writers.start()
    gate.broker.publish([Choose(account=account, seq=3)])
    gate.wait(lambda: deferred(gate, account) == 4, "4 deferred")
    assert gate.database.entries(account) == {account: []}
    if target != "table:trial.entry":
        gate.broker.publish([Choose(account=f"{account}-beside", seq=0)])
        gate.database.wait_entries(f"{account}-beside", 1)
    release(gate)
    gate.database.wait_entries(account, 4)
    gate.database.assert_exactly_once(account, range(4))


@pytest.mark.parametrize("target", ["trial", "trial.0"])
def test_a_hold_on_a_lane_stops_consuming_it(gate: Gate, target: str) -> None:
    account = next(name for name in (f"lane-{target}-{n}" for n in range(99)) if lane_of(name, trial.lanes) == 0)
    other = next(name for name in (f"other-{target}-{n}" for n in range(99)) if lane_of(name, trial.lanes) == 1)
    hold(gate, target)
    gate.wait(
        lambda: "lanes.held" in gate.writers["writer-1"].log.rpartition("lanes.released")[2], "the lanes are held"
    )
    gate.broker.publish([*(Deposit(account=account, seq=seq) for seq in range(20)), Deposit(account=other, seq=0)])
    if target == "trial.0":
        gate.database.wait_entries(other, 1)
    assert gate.database.entries(account) == {account: []}
    release(gate)
    gate.database.wait_entries(account, 20)
    gate.database.assert_exactly_once(account, range(20))
    gate.database.wait_entries(other, 1)


def test_a_version_that_is_not_known_yet_waits_and_its_key_behind_it(gate: Gate) -> None:
    account = "newer"
    item = item_of(Deposit(account=account, seq=0))
    made = encode(item)
    with gate.broker.channel() as channel:
        newer = Message(made.body, {**made.headers, VERSION_HEADER: 2}, made.properties)
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), newer)
    gate.broker.publish([Deposit(account=account, seq=1)])
    gate.wait(lambda: deferred(gate, account) == 2, "2 deferred")
    assert gate.database.parked(item.id) == {}
    # As if the writer that knows it had come: for this one it is the version that it knows.
    gate.database.sql("UPDATE writegate.deferred SET version = 1 WHERE key = %s", [account])
    gate.database.wait_entries(account, 2)
    gate.database.assert_exactly_once(account, [0, 1])


def older(version: int, **fields: Any) -> Message:
    """Return a message of an older version of a contract, as a service that was deployed then sends it."""
    return encode(Item(new_id(), "trial.renamed", version, ACCOUNT, json.dumps(fields).encode()))


def test_older_versions_are_lifted_when_they_arrive_and_when_they_are_tried_again(gate: Gate) -> None:
    lane = queue_name("trial", lane_of(ACCOUNT, trial.lanes))
    hold(gate, f"trial key={ACCOUNT}")
    with gate.broker.channel() as channel:
        send(channel, lane, older(1, name=ACCOUNT, seq=0))
        send(channel, lane, older(2, account=ACCOUNT, seq=1))
        gate.broker.publish([Renamed(account=ACCOUNT, seq=2, amount=1)])
        gate.wait(lambda: deferred(gate, ACCOUNT) == 3, "3 deferred")
        release(gate)
        gate.database.wait_entries(ACCOUNT, 3)
        send(channel, lane, older(1, name=ACCOUNT, seq=3))
        send(channel, lane, older(2, account=ACCOUNT, seq=4))
    gate.database.wait_entries(ACCOUNT, 5)
    gate.database.assert_exactly_once(ACCOUNT, range(5))


def test_an_upgrade_with_a_mistake_parks_nothing_and_its_command_is_applied_once_it_is_mended(gate: Gate) -> None:
    account = "mended"
    item = Item(new_id(), "trial.renamed", 1, account, json.dumps({"name": account, "seq": 0}).encode())
    gate.writers.stop()
    writer = gate.writers.start(altered="with_a_broken_upgrade")
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), encode(item))
    gate.broker.publish([Renamed(account=account, seq=1, amount=1), Renamed(account="unharmed", seq=0, amount=1)])
    gate.database.wait_entries("unharmed", 1)
    gate.wait(lambda: deferred(gate, account) == 2, "2 deferred")
    alarm = "the upgrade of trial.renamed from version 1 failed: AttributeError"
    assert "upgrade.failed" in writer.log
    assert alarm in writer.log
    assert alarm in gate.database.value("SELECT reason FROM writegate.deferred WHERE id = %s", [item.id])
    gate.writers.stop()
    gate.writers.start()
    gate.database.wait_entries(account, 2)
    gate.database.assert_exactly_once(account, [0, 1])
    assert gate.database.parked(item.id) == {}


def test_a_key_waits_behind_a_parked_command_that_asks_for_it(gate: Gate) -> None:
    account = "careful"
    gate.broker.publish([Careful(account=account, seq=0), bad := Careful(account=account, seq=1, amount=-1)])
    gate.database.wait_parked(bad.command_id)
    gate.broker.publish(
        [Careful(account=account, seq=2), Deposit(account=account, seq=3), Deposit(account="careless", seq=0)]
    )
    gate.database.wait_entries("careless", 1)
    gate.wait(lambda: deferred(gate, account) == 2, "2 deferred")
    assert gate.database.entries(account) == {account: [0]}
    gate.operator.do("parked", "drop", "--id", bad.command_id, "--reason", "a test", "--yes")
    gate.database.wait_entries(account, 3)
    gate.database.assert_exactly_once(account, [0, 2, 3])
