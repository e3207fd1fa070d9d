"""Draining the broker in memory: the real handlers on a real database, inside a transaction that is the test's."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from tests.deadlines import patient
from tests.sample import accounts
from tests.servers import Servers
from tests.services.trial.contract import Careful, Choose, Deposit, Enrol, Once, Run, Spend, Split, trial
from tests.tables import migrated, rolled_back
from writegate.errors import DeclarationError, WritegateError
from writegate.message.envelope import item_of
from writegate.message.topology import ANY, Route, exchange_name
from writegate.publishing import Publisher
from writegate.testing import MemoryBroker
from writegate_writer.errors import DatabaseFault, HandlerFault
from writegate_writer.testing import drain
from writegate_writer.testing.drain import _memories

SERVICES = Path(__file__).parents[1] / "services"


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    """A database with the tables of `trial`, and none of Writegate's."""
    with migrated(servers, "drain_test", SERVICES / "trial/migrations") as made:
        yield made


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """As a service's tests have it: what a test does is rolled back."""
    with rolled_back(engine) as opened:
        yield opened


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBroker]:
    monkeypatch.syspath_prepend(SERVICES)
    with MemoryBroker([trial]) as made:
        yield made


@pytest.fixture
def publisher(broker: MemoryBroker) -> Publisher:
    return broker.publisher()


def booked(connection: Connection, account: str) -> list[int]:
    query = text("SELECT seq FROM trial.entry WHERE account = :account ORDER BY position")
    return list(connection.execute(query, {"account": account}).scalars())


def test_what_was_published_is_applied_in_order_and_receipted(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    commands = [Deposit(account=f"a-{number % 3}", seq=number) for number in range(30)]
    publisher.publish_many(commands)
    receipts = {receipt.id: receipt for receipt in drain(broker, connection)}
    assert set(receipts) == {command.command_id for command in commands}
    assert {receipt.outcome for receipt in receipts.values()} == {"applied"}
    assert receipts[commands[0].command_id].result == {"booked": 1}
    xid = connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
    assert {receipt.xid for receipt in receipts.values()} == {xid}
    assert booked(connection, "a-0") == list(range(0, 30, 3))
    assert drain(broker, connection) == []


def test_the_transaction_is_the_tests(broker: MemoryBroker, publisher: Publisher, engine: Engine) -> None:
    publisher.publish(Deposit(account="rolled-back", seq=1))
    with engine.connect() as connection:
        drain(broker, connection)
        assert booked(connection, "rolled-back") == [1]
        connection.rollback()
        assert booked(connection, "rolled-back") == []
    publisher.publish(Deposit(account="kept", seq=1))
    drain(broker, engine)
    with engine.connect() as connection:
        assert booked(connection, "kept") == [1]


def test_a_rejected_command_is_parked_with_its_cause_and_harms_no_other(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    good = [Deposit(account="a", seq=number) for number in range(20)]
    negative = Deposit(account="a", seq=99, amount=-1)
    refused = Choose(account="a", seq=98, reason="not on a Sunday")
    publisher.publish_many([*good[:7], negative, *good[7:], refused])
    receipts = {receipt.id: receipt for receipt in drain(broker, connection)}
    assert booked(connection, "a") == list(range(20))
    parked = receipts[negative.command_id]
    assert parked.cause is not None
    assert (parked.outcome, parked.cause.sqlstate) == ("parked", "23514")
    assert receipts[refused.command_id].cause is not None
    assert receipts[refused.command_id].cause.message == "not on a Sunday"  # type: ignore[union-attr]


def test_a_declined_command_leaves_its_answer_and_nothing_else(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    commands = [Deposit(account="a", seq=1, amount=5), Spend(account="a", amount=3), Spend(account="a", amount=3)]
    publisher.publish_many([*commands, Enrol(account="a", address="x"), Enrol(account="b", address="x")])
    first = [(receipt.outcome, receipt.result, receipt.reason) for receipt in drain(broker, connection)]
    answers: list[tuple[str, Any, str | None]] = [
        ("applied", {"booked": 5}, None), ("applied", {"left": 2}, None), ("declined", None, "3 is more than there is"),
        ("applied", None, None), ("declined", None, "the address is taken"), ("applied", {"booked": 3}, None),
    ]  # fmt: skip
    assert sorted(map(repr, first)) == sorted(map(repr, answers))
    assert connection.scalar(text("SELECT total FROM trial.balance WHERE account = 'a'")) == 2
    publisher.publish_many(commands)
    again = {receipt.id: (receipt.outcome, receipt.result, receipt.reason) for receipt in drain(broker, connection)}
    assert list(again.values()) == [("duplicate", *answers[0][1:]), ("duplicate", *answers[1][1:]), answers[2]]


def test_what_handlers_emit_is_applied_too_and_can_be_seen(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    publisher.publish(Split(account="a", into="b", first=1, count=3))
    assert [receipt.outcome for receipt in drain(broker, connection)] == ["applied"] * 4
    assert booked(connection, "b") == [1, 2, 3]
    broker.assert_published(Deposit, key="b", times=3)


def test_an_id_is_applied_once_however_often_it_is_drained(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    command = Deposit(account="a", seq=1)
    publisher.publish(command)
    publisher.publish(command)
    assert [receipt.outcome for receipt in drain(broker, connection)] == ["applied", "duplicate"]
    publisher.publish(command)
    publisher.publish(Deposit(account="a", seq=2).with_id(command.command_id))
    receipts = {receipt.outcome: receipt for receipt in drain(broker, connection)}
    assert set(receipts) == {"duplicate", "parked"}
    reused = receipts["parked"].cause
    assert reused is not None
    assert reused.cause == "id-reused"
    assert booked(connection, "a") == [1]


def test_a_key_waits_behind_its_parked_command(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    publisher.publish(Careful(account="a", seq=1, amount=-1))
    publisher.publish(Careful(account="a", seq=2))
    publisher.publish(Careful(account="b", seq=1))
    assert sorted(receipt.outcome for receipt in drain(broker, connection)) == ["applied", "deferred", "parked"]
    publisher.publish(Careful(account="a", seq=3))
    assert [receipt.outcome for receipt in drain(broker, connection)] == ["deferred"]
    assert (booked(connection, "a"), booked(connection, "b")) == ([], [1])


def test_a_missing_parent_is_waited_for(broker: MemoryBroker, publisher: Publisher, connection: Connection) -> None:
    connection.execute(text("CREATE TABLE trial.parent (n int PRIMARY KEY)"))
    connection.execute(text("CREATE TABLE trial.child (n int REFERENCES trial.parent)"))
    scripts = "INSERT INTO trial.script VALUES ('child', 'INSERT INTO trial.child VALUES (1)')"
    connection.execute(text(scripts))
    publisher.publish(Run(account="a", name="child"))
    (waiting,) = drain(broker, connection)
    assert waiting.outcome == "deferred"
    connection.execute(text("INSERT INTO trial.parent VALUES (1)"))
    (applied,) = drain(broker, connection)
    assert (applied.id, applied.outcome) == (waiting.id, "applied")


def test_a_newer_version_waits_and_garbage_is_parked(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    item = item_of(Once(account="a", seq=1))
    lane = Route(exchange_name("trial"), ANY)
    publisher.forward([(lane, replace(item, version=3))], {}).result(patient(10))
    publisher.forward([(lane, replace(item, id="c-1", fields=b'{"account": 7}'))], {}).result(patient(10))
    receipts = {receipt.id: receipt for receipt in drain(broker, connection)}
    assert receipts[item.id].outcome == "deferred"
    garbage = receipts["c-1"]
    assert garbage.cause is not None
    assert (garbage.outcome, garbage.cause.cause) == ("parked", "bad-fields")


def test_who_asked_for_a_receipt_gets_it(broker: MemoryBroker, publisher: Publisher, connection: Connection) -> None:
    command = Deposit(account="a", seq=1)
    pending = publisher.publish(command, receipt=True)
    (receipt,) = drain(broker, connection)
    assert pending.wait(patient(30)) == receipt


def test_what_would_hold_a_type_fails_the_test(
    broker: MemoryBroker, publisher: Publisher, connection: Connection
) -> None:
    publisher.publish(Run(account="a", name="there is none"))
    with pytest.raises(HandlerFault, match=r"trial.run: .*KeyError: 'there is none'"):
        drain(broker, connection)
    connection.execute(text("INSERT INTO trial.script VALUES ('typo', 'SELEC 1'), ('commit', 'COMMIT')"))
    publisher.publish(Deposit(account="a", seq=1))
    publisher.publish(Run(account="a", name="typo"))
    with pytest.raises(HandlerFault, match=r"42601: syntax error"):
        drain(broker, connection)
    assert booked(connection, "a") == [1], "what is beside it has been applied"
    publisher.publish(Run(account="a", name="commit"))
    with pytest.raises((HandlerFault, DatabaseFault), match="transaction"):
        drain(broker, connection)


def test_what_cannot_work_is_told(broker: MemoryBroker, connection: Connection) -> None:
    broker.declare(accounts)
    with pytest.raises(DeclarationError, match="service accounts: no handlers are installed here"):
        drain(broker, connection)
    with pytest.raises(WritegateError, match="expected a connection of psycopg2"):
        drain(broker, create_engine("sqlite://"))


def test_what_was_remembered_goes_with_the_broker(monkeypatch: pytest.MonkeyPatch, connection: Connection) -> None:
    monkeypatch.syspath_prepend(SERVICES)
    with MemoryBroker([trial]) as broker:
        drain(broker, connection)
        forgotten = weakref.ref(_memories[broker])
        assert forgotten() is not None
    del broker
    gc.collect()
    assert forgotten() is None
