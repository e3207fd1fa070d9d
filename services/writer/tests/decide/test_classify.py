"""What becomes of each part of a batch, given what the opened transaction found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.sample import Deposit, arrived
from writegate import Command, Service
from writegate.message.envelope import item_of
from writegate.message.receipt import Cause
from writegate_writer.decide.classify import Work, classify
from writegate_writer.decide.deferral import DeferredRow, Postponed
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.rejections import MOST_REJECTIONS, RejectionStreak
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import APPLIED, DECLINED, PARKED, Decision, Known, Opened, Removal
from writegate_writer.receive.delivery import Arrived

WRONG = Cause("rejected", "it is wrong")
NO_PARENT = Postponed("no parent", 600.0)


class Careful(Command, key="account", on_reject="park_key"):
    """Its followers wait when it is parked for its own fault."""

    account: str


CAREFUL = Service("careful", commands=[Careful])


def opened(**known: Known) -> Opened:
    return Opened(1, 1, datetime(2026, 1, 1, tzinfo=UTC), known, {}, holds_of(()))


def with_removals(*commands: Arrived, dropped: bool = False) -> Opened:
    removal = Removal(Cause("parked-by-people", "parked by olga: it is in the way"), dropped)
    return replace(opened(), removals={command.ledger_id: removal for command in commands})


def row_of(command: Arrived, seq: int) -> DeferredRow:
    return DeferredRow(seq, "accounts", 0, command.item, command.hash, None, None, limited=False, overdue=False)


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
    work = Work([first, second, other], rejected={second.ledger_id: WRONG}, postponed={first.ledger_id: NO_PARENT})
    plan = classify(work, opened(), {})
    assert [deferral.arrived for deferral in plan.deferred] == [first, second]
    assert plan.fresh == [other]


@pytest.mark.parametrize("dropped", [False, True])
def test_a_removed_command_is_out_of_the_way_of_those_behind_it_and_not_of_those_before_it(dropped: bool) -> None:
    first, last = deposit("a"), deposit("a")
    item = item_of(Careful(account="a"))
    middle = Arrived(first.delivery, item, item.id, 7, Careful(account="a"))
    assert classify(Work([middle], rejected={middle.ledger_id: WRONG}), opened(), {}).parked[0].parks_key
    rows = {command.ledger_id: row_of(command, seq) for seq, command in enumerate((first, middle, last))}
    work = Work([first, middle, last], replayed=rows, postponed={first.ledger_id: NO_PARENT})
    plan = classify(work, with_removals(middle, dropped=dropped), {})
    [parked] = plan.parked
    assert (parked.id, parked.cause.cause, parked.dropped) == (middle.item.id, "parked-by-people", dropped)
    assert not parked.parks_key
    assert plan.still_deferred == [first, last], "the last waits behind the first"
    assert plan.replayed == {middle.ledger_id: (rows[middle.ledger_id], "parked")}
    assert plan.removed == [middle.ledger_id]
    assert plan.rows == [Decision(middle.ledger_id, PARKED, middle.hash)]
    plan = classify(replace(work, postponed={}), with_removals(middle, dropped=dropped), {})
    assert plan.fresh == [first, last]


def test_a_removal_of_what_was_applied_before_it_ends_and_changes_nothing() -> None:
    command = deposit("a")
    found = replace(with_removals(command), known={command.ledger_id: Known(APPLIED, command.hash)})
    plan = classify(Work([command]), found, {})
    assert (plan.parked, plan.removed, plan.changes_anything) == ([], [command.ledger_id], True)
    assert [outcome for _, outcome in plan.repeated] == ["duplicate"]


def test_a_second_delivery_of_a_deferred_command_does_not_end_its_removal() -> None:
    command = deposit("a")
    found = replace(with_removals(command), deferred={command.ledger_id: command.hash})
    plan = classify(Work([command]), found, {})
    assert ([outcome for _, outcome in plan.repeated], plan.removed) == (["deferred"], [])


def test_what_people_remove_says_nothing_about_its_type() -> None:
    commands = [deposit("a") for _ in range(MOST_REJECTIONS)]
    work = Work(commands)
    result = BatchResult(classify(work, with_removals(*commands), {}))
    assert len(result.plan.parked) == MOST_REJECTIONS
    assert RejectionStreak().count(work, result) == {}
