"""What becomes of each part of a batch, given what the opened transaction found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.sample import Deposit, arrived
from writegate.message.receipt import Cause
from writegate_writer.decide.classify import Work, classify
from writegate_writer.decide.deferral import DeferredRow
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.store import APPLIED, DECLINED, PARKED, Decision, Known, Opened
from writegate_writer.receive.delivery import Arrived

WRONG = Cause("rejected", "it is wrong")


def opened(**known: Known) -> Opened:
    return Opened(1, 1, datetime(2026, 1, 1, tzinfo=UTC), known, {}, holds_of(()))


def deposit(account: str, amount: int = 1) -> Arrived:
    return arrived(Deposit(account=account, amount=amount))


def test_a_command_found_at_fault_is_parked() -> None:
    command = deposit("a")
    plan = classify(Work([command], rejected={command.ledger_id: WRONG}), opened(), {})
    assert [(refused.id, refused.cause) for refused in plan.parked] == [(command.item.id, WRONG)]
    assert plan.rows == [Decision(command.ledger_id, PARKED, command.hash)]


def test_a_declined_command_is_in_the_ledger_with_its_reason_and_stops_nobody() -> None:
    first, second = deposit("a"), deposit("a")
    plan = classify(Work([first, second], declined={first.ledger_id: "no money"}), opened(), {})
    assert (plan.declined, plan.fresh, plan.parked) == ([(first, "no money")], [second], [])
    assert plan.rows == [
        Decision(first.ledger_id, DECLINED, first.hash, reason="no money"),
        Decision(second.ledger_id, APPLIED, second.hash),
    ]


def test_a_declined_command_waits_when_one_of_its_key_waits_by_now() -> None:
    """It was declined after what was applied before it; what waits may change that."""
    command = deposit("a")
    work = Work([command], declined={command.ledger_id: "no money"}, blocks=lambda _: True)
    plan = classify(work, opened(), {})
    assert ([deferral.arrived for deferral in plan.deferred], plan.declined, plan.rows) == ([command], [], [])


@pytest.mark.parametrize(("outcome", "answer"), [(APPLIED, "duplicate"), (DECLINED, "declined"), (PARKED, "parked")])
def test_an_id_that_comes_again_gets_the_outcome_that_it_has(outcome: str, answer: str) -> None:
    command = deposit("a")
    plan = classify(Work([command]), opened(**{command.ledger_id: Known(outcome, command.hash)}), {})
    assert (plan.repeated, plan.changes_anything) == ([(command, answer)], False)


def test_what_handlers_answer_is_kept_with_the_decision() -> None:
    applied, declined, silent = (deposit(account) for account in "abc")
    again = arrived(Deposit(account="b", amount=1).with_id(declined.item.id))
    plan = classify(Work([applied, declined, silent, again]), opened(), {})
    plan.answered({applied.item.id: b"7"}, {declined.item.id: "no money"})
    assert (plan.fresh, plan.declined) == ([applied, silent], [(declined, "no money")])
    assert plan.repeated == [(again, "declined")]
    assert {decision.ledger_id: (decision.result, decision.reason) for decision in plan.rows} == {
        applied.ledger_id: (b"7", None), declined.ledger_id: (None, "no money"), silent.ledger_id: (None, None),
    }  # fmt: skip


def test_a_parked_command_that_is_declined_in_the_end_keeps_its_one_row() -> None:
    command = deposit("a")
    row = DeferredRow(-7, "accounts", 0, command.item, command.hash, None, None, False, False, parked=3)
    known = opened(**{command.ledger_id: Known(PARKED, command.hash)})
    plan = classify(Work([command], replayed={command.ledger_id: row}), known, {})
    plan.answered({}, {command.item.id: "no money"})
    assert (plan.rows, plan.replayed) == ([], {command.ledger_id: (row, "declined")})
    assert plan.decisions[command.ledger_id].outcome == DECLINED


def test_a_command_found_at_fault_waits_all_the_same_while_one_of_its_key_waits() -> None:
    """What it was found at fault for may be over when those before it are applied, and it keeps its place."""
    command = deposit("a")
    work = Work([command], rejected={command.ledger_id: WRONG}, blocks=lambda arrived: arrived.item.key == "a")
    plan = classify(work, opened(), {})
    assert ([deferral.arrived for deferral in plan.deferred], plan.parked, plan.rows) == ([command], [], [])


def test_a_command_found_at_fault_waits_behind_one_of_its_key_that_is_deferred_now() -> None:
    first, second, other = deposit("a"), deposit("a"), deposit("b")
    work = Work([first, second, other], rejected={second.ledger_id: WRONG}, postponed={first.ledger_id: "no parent"})
    plan = classify(work, opened(), {})
    assert [deferral.arrived for deferral in plan.deferred] == [first, second]
    assert plan.fresh == [other]
