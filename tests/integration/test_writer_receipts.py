"""What a command's receipt says, and that an id has one effect however often it comes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Choose, Deposit, Once, trial
from writegate import Command
from writegate.contract.ids import millis_of, new_id
from writegate.contract.lanes import lane_of
from writegate.errors import InvalidCommand, ReceiptTimeout
from writegate.message.envelope import VERSION_HEADER, Message, encode, item_of
from writegate.message.receipt import Receipt, from_result_message
from writegate.message.topology import queue_name
from writegate.publishing import Publisher
from writegate.publishing.wire import REPLY_TO


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_receipts") as running:
        running.writers.start()
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def publisher(gate: Gate) -> Iterator[Publisher]:
    with gate.broker.publisher() as one:
        yield one


def receipt_of(publisher: Publisher, command: Command) -> Receipt:
    return publisher.publish(command, receipt=True).wait(patient(20))


def test_applied(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="applied", seq=1, amount=3)
    receipt = receipt_of(publisher, command)
    assert (receipt.id, receipt.outcome, receipt.result) == (command.command_id, "applied", {"booked": 3})
    [(xid, committed_at)] = gate.database.sql(
        "SELECT xid, committed_at FROM writegate.batch b JOIN writegate.ledger l ON l.batch = b.id WHERE l.id = %s",
        [command.command_id],
    )
    assert receipt.xid == xid
    assert receipt.committed_at is not None
    assert timedelta(0) <= receipt.committed_at - committed_at < timedelta(seconds=5)
    assert gate.database.value("SELECT %s::pg_lsn <= pg_current_wal_insert_lsn()", [receipt.commit_lsn]) is True


def test_duplicate(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="duplicate", seq=1)
    first, *later = [receipt_of(publisher, command) for _ in range(3)]
    assert [one.outcome for one in (first, *later)] == ["applied", "duplicate", "duplicate"]
    for one in later:
        # It tells of the transaction that applied it, so that its effect can be waited for on a replica.
        assert (one.xid, one.result) == (first.xid, first.result)
        assert one.committed_at is not None
        assert gate.database.value("SELECT %s::pg_lsn >= %s::pg_lsn", [one.commit_lsn, first.commit_lsn]) is True
    publisher.publish_many([command, Deposit(account="duplicate", seq=2), command])
    gate.database.wait_entries("duplicate", 2)
    gate.database.assert_exactly_once("duplicate", [1, 2])


@pytest.mark.parametrize(
    "command_id",
    [str(uuid.uuid4()), "order 7/2", "ffffffff-ffff-7fff-bfff-ffffffffffff", "Ä" * 64, new_id().upper()],
    ids=["UUIDv4", "text", "UUIDv7 of the year 10889", "long", "upper case"],
)
def test_any_id_is_recognised(gate: Gate, publisher: Publisher, command_id: str) -> None:
    account = f"id {command_id}"
    command = Deposit(account=account, seq=1).with_id(command_id)
    assert [receipt_of(publisher, command).outcome for _ in range(2)] == ["applied", "duplicate"]
    gate.database.assert_exactly_once(account, [1])
    answer = publisher.lookup("trial", command_id)
    assert answer is not None
    assert (answer.id, answer.outcome) == (command_id, "applied")


def test_an_empty_id_is_refused_and_nothing_is_applied(gate: Gate, publisher: Publisher) -> None:
    """It counted as none: a service that published again with its empty id had the command applied again."""
    for _ in range(2):
        with pytest.raises(InvalidCommand, match="id: expected text of 1 to 128 bytes, got an empty one"):
            receipt_of(publisher, Deposit(account="no id", seq=1).with_id(""))
    assert gate.database.entries("no id") == {"no id": []}


def test_parked(gate: Gate, publisher: Publisher) -> None:
    command = Deposit(account="parked", seq=1, amount=-1)
    first = receipt_of(publisher, command)
    assert first.cause is not None
    assert (first.outcome, first.cause.cause, first.cause.sqlstate) == ("parked", "sqlstate-23514", "23514")
    assert "entry_amount_check" in first.cause.message
    again = receipt_of(publisher, command)
    assert (again.outcome, again.cause, again.xid) == ("parked", first.cause, first.xid)
    assert gate.database.value("SELECT count(*) FROM writegate.parked WHERE id = %s", [command.command_id]) == 1
    answer = publisher.lookup("trial", command.command_id)
    assert answer is not None
    assert (answer.outcome, answer.cause) == ("parked", first.cause)


def test_the_same_id_with_other_content_is_parked(gate: Gate, publisher: Publisher) -> None:
    command_id = new_id()
    assert receipt_of(publisher, Deposit(account="reused", seq=1).with_id(command_id)).outcome == "applied"
    second = receipt_of(publisher, Deposit(account="reused", seq=2).with_id(command_id))
    assert second.cause is not None
    assert (second.outcome, second.cause.cause) == ("parked", "id-reused")
    gate.database.assert_exactly_once("reused", [1])


def test_an_id_that_was_refused_is_not_free_for_another_command(gate: Gate, publisher: Publisher) -> None:
    good = Deposit(account="refused", seq=1)
    message = encode(item_of(good))
    with gate.broker.channel() as channel:
        lane = queue_name("trial", lane_of("refused", trial.lanes))
        send(
            channel, lane, Message(message.body.replace(b'"seq":1', b'"seq":"x"'), message.headers, message.properties)
        )
    assert gate.database.wait_parked(good.command_id)[good.command_id][0] == "bad-fields"
    later = receipt_of(publisher, good)
    assert later.cause is not None
    assert (later.outcome, later.cause.cause) == ("parked", "id-reused")
    assert gate.database.entries("refused") == {"refused": []}


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
    assert gate.database.entries("old") == {"old": []}


def test_a_handler_names_the_commands_it_rejects(gate: Gate, publisher: Publisher) -> None:
    commands = [
        Choose(account="choose", seq=seq, reason="odd one" if seq in {3, 50, 97} else None) for seq in range(99)
    ]
    publisher.publish_many(commands)
    gate.database.wait_entries("choose", 96)
    gate.database.assert_exactly_once("choose", [seq for seq in range(99) if seq not in {3, 50, 97}])
    parked = gate.database.parked(*(one.command_id for one in commands))
    assert parked == {
        commands[seq].command_id: ("rejected", None, "odd one", commands[seq].model_dump_json().encode())
        for seq in (3, 50, 97)
    }
    # No bisection: one transaction has them all.
    query = "SELECT count(DISTINCT batch) FROM writegate.ledger WHERE id = ANY(%s::uuid[])"
    assert gate.database.value(query, [[one.command_id for one in commands]]) == 1


def test_older_versions_are_applied(gate: Gate, publisher: Publisher) -> None:
    message = encode(item_of(Once(account="version", seq=1)))
    lane = queue_name("trial", lane_of("version", trial.lanes))
    with gate.broker.channel() as channel:
        send(channel, lane, Message(message.body, {**message.headers, VERSION_HEADER: 1}, message.properties))
    assert receipt_of(publisher, Once(account="version", seq=2)).outcome == "applied"
    gate.database.assert_exactly_once("version", [1, 2])


def test_a_command_in_another_lane_is_forwarded_to_its_own(gate: Gate, publisher: Publisher) -> None:
    commands = [Deposit(account="afar", seq=seq) for seq in range(20)]
    wrong = queue_name("trial", 1 - lane_of("afar", trial.lanes))
    with gate.broker.channel() as channel:
        for command in commands:
            send(channel, wrong, encode(item_of(command)))
    gate.database.wait_entries("afar", 20)
    gate.database.assert_exactly_once("afar", range(20))
    assert receipt_of(publisher, commands[7]).outcome == "duplicate"


def test_each_of_many_has_a_receipt_of_its_own(gate: Gate, publisher: Publisher) -> None:
    commands = [Deposit(account="many", seq=seq, amount=-1 if seq == 7 else seq) for seq in range(20)]
    pending = publisher.publish_many([*commands, commands[3]], receipt=True)
    receipts = [one.wait(patient(20)) for one in pending]
    assert [one.id for one in receipts] == [one.command_id for one in commands] + [commands[3].command_id]
    assert [one.outcome for one in receipts[:20]] == ["parked" if seq == 7 else "applied" for seq in range(20)]
    assert [one.result for one in receipts[:20]] == [None if seq == 7 else {"booked": seq} for seq in range(20)]
    assert receipts[20] == receipts[3], "one id, one answer"
    assert gate.database.value("SELECT count(*) FROM trial.entry WHERE account = 'many'") == 19


def test_receipts_are_awaited_in_an_event_loop_and_asked_for_again(publisher: Publisher) -> None:
    async def many() -> list[Receipt]:
        commands = [Deposit(account=f"loop-{n}", seq=n) for n in range(3)]
        first = await publisher.apublish(commands[0], receipt=True)
        others = await publisher.apublish_many(commands[1:], receipt=True)
        receipts = [await first, *(await asyncio.gather(*others))]
        again = [await one.alookup(20) for one in (first, *others)]
        assert [(one.id, one.outcome, one.xid) for one in again if one] == [
            (one.id, "applied", one.xid) for one in receipts
        ]
        return receipts

    assert [one.outcome for one in asyncio.run(many())] == ["applied"] * 3


def test_what_waits_says_so_and_can_be_asked_for_later_by_others(gate: Gate, publisher: Publisher) -> None:
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=waits', 'a test', 'me')")
    command = Deposit(account="waits", seq=1)
    pending = publisher.publish(command, receipt=True)
    assert pending.accepted_by == "confirmed"
    first = pending.wait(patient(20), final=False)
    reason = "held: a test"
    assert (first.outcome, first.final, first.commit_lsn) == ("deferred", False, None)
    assert first.cause is not None
    assert reason in first.cause.message
    assert pending.lookup(20) == first == publisher.lookup("trial", command.command_id, 20)
    assert publisher.publish(command, receipt=True).wait(patient(20), final=False) == first
    with pytest.raises(ReceiptTimeout, match=r"is deferred after 0.1 s \(held: a test\)"):
        pending.wait(0.1)
    gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")
    final = pending.wait(patient(20))
    assert (final.outcome, final.result, final.final) == ("applied", {"booked": 1}, True)
    assert asyncio.run(pending.get()) == final
    with gate.broker.publisher() as later:  # as after a restart of the service
        answer = later.lookup("trial", command.command_id, 20)
        assert answer is not None
        assert (answer.outcome, answer.cause, answer.visible_on(gate.database.superuser)) == ("applied", None, True)
        assert (answer.xid, answer.result) == (final.xid, final.result)


def test_a_message_that_is_no_command_is_answered_too(gate: Gate) -> None:
    made = encode(item_of(Deposit(account="later", seq=1)))
    delayed = {**made.headers, "eta": "2030-01-01T00:00:00Z"}
    answers: list[bytes] = []
    with gate.broker.channel() as channel:
        channel.basic_consume(REPLY_TO, lambda *delivery: answers.append(delivery[3]), auto_ack=True)
        send(channel, queue_name("trial", 0), Message(made.body, delayed, made.properties | {"reply_to": REPLY_TO}))

        def answered() -> bool:
            channel.connection.process_data_events(0.1)
            return bool(answers)

        gate.wait(answered, "a reply")
    answer = from_result_message(answers[0])
    assert answer is not None
    assert answer.cause is not None
    assert (answer.id, answer.outcome, answer.cause.cause) == (made.properties["correlation_id"], "parked", "eta")


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
