"""What a command's receipt says, and that an id has one effect however often it comes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.gate import Gate, gate_running, send
from tests.servers import Servers
from tests.services.trial.contract import Choose, Deposit, Once, trial
from writegate import Command
from writegate.envelope import VERSION_HEADER, Message, encode, item_of
from writegate.ids import millis_of, new_id
from writegate.lanes import lane_of
from writegate.publish import Publisher
from writegate.receipt import Receipt
from writegate.topology import queue_name


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_receipts") as running:
        running.start()
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def publisher(gate: Gate) -> Iterator[Publisher]:
    with gate.publisher() as one:
        yield one


def receipt_of(publisher: Publisher, command: Command) -> Receipt:
    return publisher.publish(command, receipt=True).wait(20)


def test_applied(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="applied", seq=1, amount=3)
    receipt = receipt_of(publisher, command)
    assert (receipt.id, receipt.outcome, receipt.result) == (command.command_id, "applied", {"booked": 3})
    [(xid, committed_at)] = gate.sql(
        "SELECT xid, committed_at FROM writegate.batch b JOIN writegate.ledger l ON l.batch = b.id WHERE l.id = %s",
        [command.command_id],
    )
    assert receipt.xid == xid
    assert receipt.committed_at is not None
    assert timedelta(0) <= receipt.committed_at - committed_at < timedelta(seconds=5)
    assert gate.value("SELECT %s::pg_lsn <= pg_current_wal_insert_lsn()", [receipt.commit_lsn]) is True


def test_duplicate(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="duplicate", seq=1)
    assert [receipt_of(publisher, command).outcome for _ in range(3)] == ["applied", "duplicate", "duplicate"]
    publisher.publish_many([command, Deposit(account="duplicate", seq=2), command])
    gate.wait_entries("duplicate", 2)
    gate.assert_exactly_once("duplicate", [1, 2])


@pytest.mark.parametrize(
    "command_id",
    [str(uuid.uuid4()), "order 7/2", "ffffffff-ffff-7fff-bfff-ffffffffffff", "Ä" * 64, new_id().upper()],
    ids=["UUIDv4", "text", "UUIDv7 of the year 10889", "long", "upper case"],
)
def test_any_id_is_recognised(gate: Gate, publisher: Publisher, command_id: str) -> None:
    account = f"id {command_id}"
    command = Deposit(account=account, seq=1).with_id(command_id)
    assert [receipt_of(publisher, command).outcome for _ in range(2)] == ["applied", "duplicate"]
    gate.assert_exactly_once(account, [1])
    answer = publisher.lookup("trial", command_id)
    assert answer is not None
    assert (answer.id, answer.outcome) == (command_id, "applied")


def test_parked(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="parked", seq=1, amount=-1)
    first = receipt_of(publisher, command)
    assert first.cause is not None
    assert (first.outcome, first.cause.cause, first.cause.sqlstate) == ("parked", "sqlstate-23514", "23514")
    assert "entry_amount_check" in first.cause.message
    assert receipt_of(publisher, command).outcome == "parked"
    assert gate.value("SELECT count(*) FROM writegate.parked WHERE id = %s", [command.command_id]) == 1
    answer = publisher.lookup("trial", command.command_id)
    assert answer is not None
    assert (answer.outcome, answer.cause) == ("parked", first.cause)


def test_the_same_id_with_other_content_is_parked(gate: Gate, publisher: Publisher) -> None:
    command_id = new_id()
    assert receipt_of(publisher, Deposit(account="reused", seq=1).with_id(command_id)).outcome == "applied"
    second = receipt_of(publisher, Deposit(account="reused", seq=2).with_id(command_id))
    assert second.cause is not None
    assert (second.outcome, second.cause.cause) == ("parked", "id-reused")
    gate.assert_exactly_once("reused", [1])


def test_an_id_that_was_refused_is_not_free_for_another_command(gate: Gate, publisher: Publisher) -> None:
    good = Deposit(account="refused", seq=1)
    message = encode(item_of(good))
    with gate.channel() as channel:
        lane = queue_name("trial", lane_of("refused", trial.lanes))
        send(
            channel, lane, Message(message.body.replace(b'"seq":1', b'"seq":"x"'), message.headers, message.properties)
        )
    assert gate.wait_parked(good.command_id)[good.command_id][0] == "bad-fields"
    later = receipt_of(publisher, good)
    assert later.cause is not None
    assert (later.outcome, later.cause.cause) == ("parked", "id-reused")
    assert gate.entries("refused") == {"refused": []}


def test_an_id_older_than_the_retention_is_parked(gate: Gate, publisher: Publisher) -> None:
    fresh = new_id()
    made = millis_of(fresh)
    assert made is not None
    then = made - int((trial.retention + timedelta(minutes=1)).total_seconds() * 1000)
    old = str(uuid.UUID(int=uuid.UUID(fresh).int - (made - then << 80)))
    assert millis_of(old) == then
    receipt = receipt_of(publisher, Deposit(account="old", seq=1).with_id(old))
    assert receipt.cause is not None
    assert (receipt.outcome, receipt.cause.cause) == ("parked", "too-old")
    assert gate.entries("old") == {"old": []}


def test_a_handler_names_the_commands_it_rejects(gate: Gate, publisher: Publisher) -> None:
    commands = [
        Choose(account="choose", seq=seq, reason="odd one" if seq in {3, 50, 97} else None) for seq in range(99)
    ]
    publisher.publish_many(commands)
    gate.wait_entries("choose", 96)
    gate.assert_exactly_once("choose", [seq for seq in range(99) if seq not in {3, 50, 97}])
    parked = gate.parked(*(one.command_id for one in commands))
    assert parked == {
        commands[seq].command_id: ("rejected", None, "odd one", commands[seq].model_dump_json().encode())
        for seq in (3, 50, 97)
    }
    # No bisection: one transaction has them all.
    query = "SELECT count(DISTINCT batch) FROM writegate.ledger WHERE id = ANY(%s::uuid[])"
    assert gate.value(query, [[one.command_id for one in commands]]) == 1


def test_older_versions_are_applied(gate: Gate, publisher: Publisher) -> None:
    message = encode(item_of(Once(account="version", seq=1)))
    lane = queue_name("trial", lane_of("version", trial.lanes))
    with gate.channel() as channel:
        send(channel, lane, Message(message.body, {**message.headers, VERSION_HEADER: 1}, message.properties))
    assert receipt_of(publisher, Once(account="version", seq=2)).outcome == "applied"
    gate.assert_exactly_once("version", [1, 2])


def test_a_command_in_another_lane_is_forwarded_to_its_own(gate: Gate, publisher: Publisher) -> None:
    commands = [Deposit(account="afar", seq=seq) for seq in range(20)]
    wrong = queue_name("trial", 1 - lane_of("afar", trial.lanes))
    with gate.channel() as channel:
        for command in commands:
            send(channel, wrong, encode(item_of(command)))
    gate.wait_entries("afar", 20)
    gate.assert_exactly_once("afar", range(20))
    assert receipt_of(publisher, commands[7]).outcome == "duplicate"


def test_looking_up_what_was_never_decided(publisher: Publisher) -> None:
    assert publisher.lookup("trial", new_id()) is None
    assert publisher.lookup("trial", "never heard of") is None


def test_look_ups_say_when(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="when", seq=1)
    receipt = receipt_of(publisher, command)
    answer = publisher.lookup("trial", command.command_id)
    assert answer is not None
    assert answer.xid == receipt.xid
    assert answer.committed_at is not None
    assert answer.committed_at <= datetime.now(UTC)
