"""What becomes of each part of a batch, given what the opened transaction found."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.sample import Deposit, arrived
from writegate.message.receipt import Cause
from writegate_writer.decide.classify import Work, classify
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.store import PARKED, Known, Opened
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
    assert plan.rows == [(command.ledger_id, PARKED, command.hash)]


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
