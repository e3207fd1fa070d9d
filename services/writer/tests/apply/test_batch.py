"""Deciding a batch in a turn: what is settled is decided, whatever goes wrong in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from tests.sample import LANES, Deposit, Withdraw, accounts, arrived
from writegate import Command
from writegate.config import Settings
from writegate.message.envelope import Item, item_of
from writegate_writer.apply.batch import BatchProcessor
from writegate_writer.apply.transaction import MAX_RESULT_BYTES
from writegate_writer.apply.turn import Turns
from writegate_writer.decide.classify import Work, classify
from writegate_writer.decide.deferral import BEGINNING, Deferral, DeferredIndex, DeferredRow
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.ledger_days import oldest_day
from writegate_writer.decide.rejections import MOST_REJECTIONS
from writegate_writer.decide.store import DECLINED, Decision, Known, Opened, Outgoing, Owner, Store
from writegate_writer.errors import DatabaseFault, Decline, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived, Delivery, Reading, Refused
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler

POISON = 13
SERVICES = {"accounts": Served(accounts, dict.fromkeys(accounts.commands, ("accounts.account",)))}
NOW = datetime.now(UTC)
OWNER = Owner("writer-1", "accounts", 1, 6.0)


@dataclass
class RowsStore:
    """A store in memory. Deposits of :data:`POISON` break a CHECK; the handler of withdrawals is broken."""

    lost_at: int | None = None  # the transaction at which the connection is lost
    rejects: bool = False  # the handler itself rejects the deposits of POISON, all at once
    declines: bool = False  # the same, but it declines them
    answer: object = None  # what the handler returns for each
    ledger: dict[str, Known] = field(default_factory=dict)
    deferred: list[Deferral] = field(default_factory=list)
    holds: dict[str, str] = field(default_factory=dict)
    times_held: int = 0
    opened: int = 0
    index: DeferredIndex = field(default_factory=DeferredIndex)
    pending: dict[str, Known] = field(default_factory=dict)
    pending_deferrals: list[Deferral] = field(default_factory=list)

    def open(self, _: Owner, __: str, ids: Sequence[str], ___: date) -> Opened:
        self.opened += 1
        if self.opened == self.lost_at:
            raise DatabaseFault(None, "connection lost")
        self.pending, self.pending_deferrals = {}, []
        known = {id_: self.ledger[id_] for id_ in ids if id_ in self.ledger}
        return Opened(1, 1, datetime.now(UTC), known, {}, holds_of(self.holds.items()), self.index.revision)

    def deferred_index(self, _: Owner) -> DeferredIndex:
        return self.index

    def enter(self, *_: object) -> None:
        """There is no row of a batch, and no role."""

    def call(self, _: str, task: str, commands: Sequence[Command]) -> Mapping[str, Any] | None:
        if task == "accounts.withdraw":
            raise HandlerFault(task, "the handler failed: KeyError: 'x'")
        poison = [
            command.command_id for command in commands if isinstance(command, Deposit) and command.amount == POISON
        ]
        if poison and self.declines:
            raise Decline(dict.fromkeys(poison, "no"))
        if poison and self.rejects:
            raise Reject(dict.fromkeys(poison, "poison"))
        if poison:
            raise DatabaseFault("23514", "violates a check constraint")
        return {command.command_id: self.answer for command in commands}

    def changed_rows(self) -> dict[str, int]:
        return {}

    def leave_role(self, _: Owner, __: Opened, ___: str, decisions: Sequence[Decision], ____: int | None) -> bool:
        self.pending = {decision.ledger_id: Known(decision.outcome, decision.hash) for decision in decisions}
        return True

    def park(self, _: Sequence[Refused], __: Mapping[str, int]) -> None:
        """Its ledger row is enough for these tests."""

    def defer(self, _: Owner, deferrals: Sequence[Deferral]) -> None:
        self.pending_deferrals = list(deferrals)

    def commit(self) -> tuple[str, datetime]:
        self.ledger |= self.pending
        self.deferred += self.pending_deferrals
        return "0/1", datetime.now(UTC)

    def roll_back(self) -> None:
        """Nothing is written before the commit."""

    def hold_task(self, task: str, reason: str) -> float:
        self.holds[task] = reason
        self.times_held += 1
        return 1.0


@dataclass
class Consumed:
    """What was settled."""

    settled: list[Delivery] = field(default_factory=list)

    def settle(self, _: Domain, decided: Mapping[Delivery, int]) -> None:
        self.settled += Counter(decided).elements()

    def report(self, _: object) -> None:
        """There are no monitors."""

    def refresh(self, _: Domain) -> None:
        """There is no channel."""


def decided_by(rows: RowsStore, batch: Sequence[Arrived], domain: Domain | None = None) -> Consumed:
    consumed, clock = Consumed(), MagicMock()
    clock.now.return_value = datetime.now(UTC)
    domain = domain or Domain("accounts", 1, (("accounts", 0),))
    processor = BatchProcessor(cast(Store, rows), OWNER, domain, SERVICES, MagicMock(), consumed, clock)
    try:
        processor.batch("accounts", Reading(arrived=list(batch)))
    except DatabaseFault as error:
        assert error.sqlstate is None  # noqa: PT017  only what the test asked for
    return consumed


def mixed() -> list[Arrived]:
    amounts = [POISON, POISON, POISON, 1, None, 1, 1, POISON]
    commands = [Deposit(account=f"a-{n}", amount=amount) if amount else Withdraw(account=f"a-{n}", amount=1)
                for n, amount in enumerate(amounts)]  # fmt: skip
    return [arrived(command) for command in commands]


@pytest.mark.parametrize("lost_at", [*range(1, 16), None])
def test_nothing_is_settled_that_is_not_decided_and_nothing_twice(lost_at: int | None) -> None:
    rows, batch = RowsStore(lost_at), mixed()
    settled = [id(delivery) for delivery in decided_by(rows, batch).settled]
    decided = {*rows.ledger, *(deferral.arrived.ledger_id for deferral in rows.deferred)}
    assert len(settled) == len(set(settled)), "settled twice"
    assert sorted(settled) == sorted(id(command.delivery) for command in batch if command.ledger_id in decided)
    if lost_at is None:
        assert len(settled) == len(batch)
        assert [deferral.arrived.item.task for deferral in rows.deferred] == ["accounts.withdraw"]


def test_many_rejections_in_a_row_hold_the_type() -> None:
    rows = RowsStore()
    batch = [arrived(Deposit(account=f"a-{n}", amount=POISON)) for n in range(200)]
    decided_by(rows, batch)
    assert f"{MOST_REJECTIONS} in a row were rejected" in rows.holds["accounts.deposit"]
    assert (len(rows.ledger), len(rows.deferred)) == (MOST_REJECTIONS, 200 - MOST_REJECTIONS)


def test_many_that_the_handler_rejects_at_once_hold_it_once() -> None:
    rows = RowsStore(rejects=True)
    decided_by(rows, [arrived(Deposit(account=f"a-{n}", amount=POISON)) for n in range(4 * MOST_REJECTIONS)])
    assert (list(rows.holds), rows.times_held) == (["accounts.deposit"], 1)


def test_many_that_the_handler_declines_hold_nothing() -> None:
    rows, batch = (
        RowsStore(declines=True),
        [arrived(Deposit(account=f"a-{n}", amount=POISON)) for n in range(4 * MOST_REJECTIONS)],
    )
    consumed = decided_by(rows, batch)
    assert (rows.holds, rows.deferred) == ({}, [])
    assert [known.outcome for known in rows.ledger.values()] == [DECLINED] * len(batch)
    assert len(consumed.settled) == len(batch)


def test_an_error_that_a_handler_returns_is_none_of_its_results() -> None:
    """What it wrote before that must not be committed."""
    for answer in (ValueError("no"), {1, 2}.pop, "x" * MAX_RESULT_BYTES, "\ud800"):
        rows = RowsStore(answer=answer)
        decided_by(rows, [arrived(Deposit(account=account, amount=1)) for account in "ab"])
        assert (list(rows.holds), rows.ledger) == (["accounts.deposit"], {}), answer


def test_a_decline_that_a_handler_returns_undoes_what_it_wrote() -> None:
    rows = RowsStore(answer=Decline("no money"))
    decided_by(rows, [arrived(Deposit(account="a", amount=1))])
    assert (rows.opened, [known.outcome for known in rows.ledger.values()]) == (2, [DECLINED])


@pytest.mark.parametrize("rejects", [False, True], ids=["by the database", "by the handler"])
def test_rejections_between_good_commands_do_not(rejects: bool) -> None:
    rows = RowsStore(rejects=rejects)
    amounts = [POISON if n % 10 else 1 for n in range(200)]
    decided_by(rows, [arrived(Deposit(account=f"a-{n}", amount=amount)) for n, amount in enumerate(amounts)])
    assert (rows.holds, len(rows.ledger)) == ({}, 200)


def test_nothing_is_decided_by_an_outdated_index_of_deferred_commands() -> None:
    domain, batch = Domain("accounts", 1, (("accounts", 0),)), [arrived(Deposit(account="a", amount=1))]
    # After the index was read people had a parked command of this account decided again. It comes before this one.
    rows = RowsStore(index=DeferredIndex(Counter({("accounts", "a"): 1}), revision=1))
    decided_by(rows, batch, domain)
    assert (rows.ledger, [deferral.arrived for deferral in rows.deferred], rows.opened) == ({}, batch, 2)
    assert domain.deferred.deferred == {("accounts", "a"): 2}


def replaying(store: Any, domain: Domain) -> BatchProcessor:
    clock = MagicMock()
    clock.monotonic.return_value, clock.now.return_value = 0.0, NOW
    return BatchProcessor(store, OWNER, domain, SERVICES, MagicMock(), MagicMock(), clock)


def test_a_page_of_deferred_commands_that_people_changed_since_is_given_up() -> None:
    domain, store = Domain("accounts", 1, (("accounts", 0),)), MagicMock()
    domain.deferred = DeferredIndex(Counter({("accounts", "a"): 1}))
    store.suspect.return_value = 1
    store.deferred.return_value = [
        DeferredRow(7, "accounts", 0, item_of(Deposit(account="a", amount=1)), 0, None, None, False, False)
    ]
    store.open.return_value.revision = 1
    store.deferred_index.return_value = DeferredIndex(Counter({("accounts", "a"): 2}), revision=1)
    replaying(store, domain).replay(lambda: True)
    store.enter.assert_not_called()
    assert (domain.deferred.revision, domain.deferred.total, domain.deferred.replay_pass.after) == (1, 2, BEGINNING)


@pytest.mark.parametrize(("seconds", "pause"), [(0.01, 1.0), (4.0, 36.0)])
def test_replay_passes_get_at_most_a_tenth_of_the_time(seconds: float, pause: float) -> None:
    index = DeferredIndex()
    index.replay_pass.seconds = seconds
    index.end_replay_pass(100.0)
    assert index.replay_pass.due == 100.0 + pause
    index.restart_replay_pass()
    assert index.replay_pass.due == 0.0


@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        (None, "fresh"),  # it could not be read, or its ledger row has been dropped
        (Known("p", 5), "fresh"),
        (Known("a", 5), "applied before"),
        (Known("d", 5), "declined before"),
        (Known("p", 6), "other content"),
        (Known("a", 6), "other content"),
    ],
)
def test_what_becomes_of_a_parked_command_that_is_decided_again(known: Known | None, outcome: str) -> None:
    command = arrived(Deposit(account="a", amount=1))
    command.hash = 5
    row = DeferredRow(-7, "accounts", 0, command.item, 5, None, None, False, False, parked=3)
    opened = Opened(1, 1, NOW, {command.ledger_id: known} if known else {}, {}, holds_of(()))
    plan = classify(Work([command], replayed={command.ledger_id: row}), opened, SERVICES["accounts"].tables)
    state = {"other content": "parked", "declined before": "declined"}.get(outcome, "applied")
    assert plan.replayed == {command.ledger_id: (row, state)}
    assert plan.fresh == ([command] if outcome == "fresh" else [])
    # The ledger row that exists is changed, and no second one is written.
    assert len(plan.rows) == (known is None)
    assert [refused.cause.cause for refused in plan.parked] == (["id-reused"] if outcome == "other content" else [])


def test_a_crowded_outbox_thins_out_once_the_broker_has_confirmed() -> None:
    scheduler, store, clock = DomainScheduler(), MagicMock(), MagicMock()
    clock.monotonic.return_value = 0.0
    domain = Domain("accounts", 1, tuple(("accounts", lane) for lane in range(LANES)))
    scheduler.own(domain)
    domain.phase = Phase.SERVING
    confirmed: Future[None] = Future()
    for seq in range(500):
        domain.outbox.add([Outgoing(seq, Item("x", "b.c", 1, None, b"{}"), "b", None, None)], confirmed)
    turns = Turns(settings=Settings.load({}), name="w", services=SERVICES, scheduler=scheduler, consuming=MagicMock(),
                  publishing=MagicMock(), clock=clock)  # fmt: skip
    assert turns.take(domain, store)
    assert (len(domain.outbox), store.mock_calls) == (500, []), "it waits for the broker"
    confirmed.set_result(None)
    assert turns.take(domain, store)
    assert len(domain.outbox) == 0
    store.delete_sent.assert_called_once()


NOTHING_LOST = "nothing is parked for it, and what waits is tried again by itself"


def test_why_a_domain_is_stopped_is_written_down_and_struck_out_when_it_goes_on() -> None:
    scheduler, store, consuming, clock = DomainScheduler(), MagicMock(), MagicMock(), MagicMock()
    clock.monotonic.return_value, clock.now.return_value, clock.spread.return_value = 0.0, NOW, 0.5
    domain = Domain("accounts", 1, tuple(("accounts", lane) for lane in range(LANES)))
    scheduler.own(domain)
    turns = Turns(settings=Settings.load({}), name="w", services=SERVICES, scheduler=scheduler, consuming=consuming,
                  publishing=MagicMock(), clock=clock)  # fmt: skip
    conflict = DatabaseFault("40001", "by every handler", task="a.b", command="id-7", from_handlers=True)
    told = {
        "40001: by every handler (a.b, such as command id-7); see who holds locks (writegate connections); ": conflict,
        "42P01: no table; see what the database lacks (writegate plan); ": DatabaseFault("42P01", "no table"),
        "a.b: an accident; correct its handler; ": HandlerFault("a.b", "an accident"),
        "KeyError('x'); see the writer's log; ": KeyError("x"),
    }
    for cause, error in told.items():
        store.start.side_effect = error
        assert turns.take(domain, store), "the connection works"
        assert store.note_stopped.call_args.args[1] == f"{cause}{NOTHING_LOST}"
    store.start.side_effect = DatabaseFault(None, "connection lost")
    noted = store.note_stopped.call_count
    assert not turns.take(domain, store)
    assert store.note_stopped.call_count == noted, "nothing can be written down"


def id_made(at: datetime) -> str:
    """Return a UUIDv7 of this time."""
    made = int(at.timestamp() * 1000)
    return f"{made >> 16:08x}-{made & 0xFFFF:04x}-7000-8000-000000000000"


UUID4 = "4c9a7ba2-31b1-4bb8-9d8e-1d0b2c1f7a55"


@pytest.mark.parametrize(
    ("ids", "days"),
    [
        ([id_made(NOW)], 1),
        ([id_made(NOW), id_made(NOW - timedelta(days=2))], 3),
        ([id_made(NOW), UUID4], 8),  # it may have been decided at any time within the retention
        ([id_made(NOW + timedelta(days=6))], 8),  # a time in the future is ignored
    ],
)
def test_how_far_back_ids_are_searched_for(ids: list[str], days: int) -> None:
    parts = [arrived(Deposit(account="a", amount=1).with_id(id_)) for id_ in ids]
    assert oldest_day(parts, NOW, accounts.retention) == NOW.date() - timedelta(days=days)
