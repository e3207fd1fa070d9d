"""Commands to which a handler says no: an answer, of which nothing is left but the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Agree, Deposit, Draw, Enrol, Nest, Spend
from writegate import Command
from writegate.message.receipt import Receipt
from writegate.publishing import Publisher
from writegate_writer.decide.rejections import MOST_REJECTIONS

MANY = 3 * MOST_REJECTIONS


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_declined") as running:
        running.writers.start()
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def publisher(gate: Gate) -> Iterator[Publisher]:
    with gate.broker.publisher() as one:
        yield one


@pytest.fixture(autouse=True)
def _nothing_for_people(gate: Gate) -> Iterator[None]:
    """Whatever was declined: nothing is parked, no type is held."""
    yield
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0
    assert gate.database.value("SELECT count(*) FROM writegate.hold") == 0


def receipts_of(publisher: Publisher, commands: Sequence[Command]) -> list[Receipt]:
    return [pending.wait(patient(30)) for pending in publisher.publish_many(commands, receipt=True)]


def total(gate: Gate, account: str) -> int:
    return int(gate.database.value("SELECT total FROM trial.balance WHERE account = %s", [account]))


def test_it_is_final_and_says_why_whoever_asks(gate: Gate, publisher: Publisher) -> None:
    command = Agree(account="once", seq=1, no="not today")
    [first] = receipts_of(publisher, [command])
    assert (first.outcome, first.final, first.reason) == ("declined", True, "not today")
    assert (first.xid, first.commit_lsn) != (None, None)
    [again] = receipts_of(publisher, [command])
    assert (again.outcome, again.cause, again.xid) == (first.outcome, first.cause, first.xid)
    looked_up = publisher.lookup("trial", command.command_id, patient(20))
    assert looked_up is not None
    assert (looked_up.outcome, looked_up.cause, looked_up.xid) == (first.outcome, first.cause, first.xid)
    assert gate.database.entries("once") == {"once": []}
    row = "SELECT outcome, reason FROM writegate.ledger WHERE id = %s"
    assert gate.database.sql(row, [command.command_id]) == [("d", first.reason)]


def test_many_in_a_row_hold_nothing_and_later_commands_of_the_key_go_on(gate: Gate, publisher: Publisher) -> None:
    declined = [Agree(account="many", seq=seq, no="no") for seq in range(MANY)]
    receipts = receipts_of(publisher, [*declined, Agree(account="many", seq=MANY)])
    assert [receipt.outcome for receipt in receipts] == ["declined"] * MANY + ["applied"]
    gate.database.assert_exactly_once("many", [MANY])


def test_nothing_of_what_a_handler_did_before_it_declined_is_left(gate: Gate, publisher: Publisher) -> None:
    """Half of these are declined after they have written, in between those that are not."""
    receipts_of(publisher, [Deposit(account="each", seq=0, amount=100)])
    amounts = [1 if number % 2 else 1000 for number in range(MANY)]
    receipts = receipts_of(publisher, [Spend(account="each", amount=amount) for amount in amounts])
    good = [receipt for receipt, amount in zip(receipts, amounts, strict=True) if amount == 1]
    bad = [receipt for receipt, amount in zip(receipts, amounts, strict=True) if amount != 1]
    assert [receipt.result for receipt in good] == [{"left": 99 - number} for number in range(len(good))]
    assert {(receipt.outcome, receipt.reason) for receipt in bad} == {("declined", "1000 is more than there is")}
    assert total(gate, "each") == 100 - len(good)
    amounts_of = "SELECT amount FROM trial.entry WHERE account = %s ORDER BY position"
    gate.database.wait_entries("each spent", len(good))
    assert gate.database.sql(amounts_of, ["each spent"]) == [(1,)] * len(good), "what they emitted is not sent"
    assert gate.database.sql(amounts_of, ["each"]) == [(100,)] + [(1,)] * len(good)


def test_ready_made_handlers_judge_each_by_what_those_before_it_have_left(gate: Gate, publisher: Publisher) -> None:
    receipts_of(publisher, [Deposit(account="draw", seq=0, amount=10)])
    drawn = [Draw(account="draw", total=change) for change in (-4, -4, -4, -1, 3, -4, -1)]
    missing = Draw(account="nobody", total=5)
    receipts = receipts_of(publisher, [*drawn, missing])
    outcomes = ["applied", "applied", "declined", "applied", "applied", "applied", "declined", "declined"]
    assert [receipt.outcome for receipt in receipts] == outcomes
    assert {receipt.reason for receipt in receipts} == {None, "not that much"}
    assert total(gate, "draw") == 0


def test_an_address_that_is_taken_is_no_error(gate: Gate, publisher: Publisher) -> None:
    first = [Enrol(account=f"a-{number}", address="taken") for number in range(MANY)]
    others = [Enrol(account=f"b-{number}", address=f"free-{number}") for number in range(MANY)]
    receipts = receipts_of(publisher, [command for pair in zip(first, others, strict=True) for command in pair])
    taken, free = receipts[::2], receipts[1::2]
    assert sorted(receipt.outcome for receipt in taken) == ["applied"] + ["declined"] * (MANY - 1)
    assert {receipt.reason for receipt in taken} == {None, "the address is taken"}
    assert {receipt.outcome for receipt in free} == {"applied"}
    assert gate.database.value("SELECT count(*) FROM trial.member") == MANY + 1


def test_a_nested_transaction_of_a_session_does_what_it_says(gate: Gate, publisher: Publisher) -> None:
    commands = [Nest(account="nest", seq=10 * number, undo=bool(number % 2)) for number in range(4)]
    assert {receipt.outcome for receipt in receipts_of(publisher, commands)} == {"applied"}
    assert gate.database.entries("nest") == {"nest": [0, 1, 11, 20, 21, 31]}


def test_what_was_deferred_once_has_its_answer_all_the_same(gate: Gate, publisher: Publisher) -> None:
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=late', 'a test', 'me')")
    commands = [
        Deposit(account="late", seq=0, amount=3),
        Spend(account="late", amount=2),
        Spend(account="late", amount=2),
    ]
    pending = publisher.publish_many(commands, receipt=True)
    assert [one.wait(patient(20), final=False).outcome for one in pending] == ["deferred"] * 3
    gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")
    answers = [(receipt.outcome, receipt.result) for receipt in (one.wait(patient(20)) for one in pending)]
    assert answers == [("applied", {"booked": 3}), ("applied", {"left": 1}), ("declined", None)]
    for command, answer in zip(commands, answers, strict=True):
        known = publisher.lookup("trial", command.command_id, patient(20))
        assert known is not None
        assert (known.outcome, known.result) == answer
    states = "SELECT state FROM writegate.deferred WHERE key = 'late' ORDER BY seq"
    assert gate.database.sql(states) == [("applied",), ("applied",), ("declined",)]
