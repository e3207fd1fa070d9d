"""Finding what ends the process: batches and pages that get smaller, and suspects that are applied alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any
from unittest.mock import MagicMock

import pytest

from tests.sample import LANES, Deposit, accounts, delivered
from writegate.config import Settings
from writegate.contract.lanes import lane_of
from writegate.message.envelope import item_of
from writegate_writer.apply.batch import BatchProcessor
from writegate_writer.apply.turn import Turns
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deferral import DeferredIndex, DeferredRow
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Owner
from writegate_writer.errors import IDLE_IN_TRANSACTION, DatabaseFault
from writegate_writer.schedule.batching import read_next_batch, suspicious, take_batch
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.ports import Served
from writegate_writer.schedule.scheduler import DomainScheduler

SERVICES = {"accounts": Served(accounts, dict.fromkeys(accounts.commands, ("accounts.account",)))}
LANE = lane_of("a", LANES)


def clock() -> MagicMock:
    made = MagicMock()
    made.now.return_value = datetime.now(UTC)
    made.monotonic.return_value = 1.0
    return made


def domain_with(counts: Sequence[int]) -> Domain:
    """Return a domain with one message for each count of earlier deliveries."""
    domain = Domain("accounts", 1, (("accounts", LANE),))
    for count in counts:
        domain.put(
            delivered(Deposit(account="a", amount=1), headers={"x-delivery-count": count}, redelivered=count > 0)
        )
    return domain


def sizes(counts: Sequence[int], commands: int = 1000) -> list[tuple[int, bool]]:
    """Return the sizes of the batches that are taken, and whether they are suspicious."""
    domain, settings, taken = domain_with(counts), Settings.load({"WRITEGATE_BATCH_COMMANDS": str(commands)}), []
    while domain.messages_in_memory:
        _, reading = take_batch(domain, SERVICES, settings, clock())
        taken.append((len(reading.arrived), reading.suspicious))
    return taken


def test_a_batch_shrinks_by_half_with_each_delivery() -> None:
    domains = [domain_with([count] * 1001) for count in range(11)]
    readings = [take_batch(domain, SERVICES, Settings.load({}), clock())[1] for domain in domains]
    assert [len(reading.arrived) for reading in readings] == [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1]


def test_what_is_suspicious_is_never_in_a_batch_with_anything_else() -> None:
    assert sizes([0, 0, 10, 11, 0, 0]) == [(2, False), (1, True), (1, True), (2, False)]
    assert sizes([0, 0, 10, 0], commands=100_000) == [(2, False), (1, True), (1, False)]


def test_a_batch_is_as_small_as_the_least_of_its_messages_asks_for() -> None:
    assert sizes([0] * 300 + [2] * 700)[0] == (300, False)
    assert sizes([0] * 100 + [2] * 700)[:2] == [(100, False), (250, False)]


def two_lanes(first: Sequence[int], other: Sequence[int]) -> Domain:
    """Return a domain with messages in two lanes, each with its count of earlier deliveries."""
    names = ["a", next(name for name in map(str, range(99)) if lane_of(name, LANES) != LANE)]
    domain = Domain("accounts", 1, tuple(("accounts", lane_of(name, LANES)) for name in names))
    for name, counts in zip(names, (first, other), strict=True):
        for count in counts:
            headers = {"x-delivery-count": count}
            domain.put(delivered(Deposit(account=name, amount=1), headers=headers, redelivered=count > 0))
    return domain


def test_lanes_share_a_batch() -> None:
    _, reading = take_batch(two_lanes([0] * 3, [0] * 4), SERVICES, Settings.load({}), clock())
    assert len(reading.arrived) == 7


def test_lanes_are_applied_in_the_order_in_which_their_messages_came() -> None:
    """A parent in one lane and its child in another, published in this order, need no second try."""
    domain = two_lanes([0] * 5, [0] * 5)
    for tag, delivery in enumerate(delivery for pair in zip(*domain.coming(), strict=True) for delivery in pair):
        delivery.tag = tag
    _, reading = take_batch(domain, SERVICES, Settings.load({}), clock())
    assert [command.delivery.tag for command in reading.arrived] == list(range(10))


@pytest.mark.parametrize("counts", [[10, 10], [3] * 200])
def test_what_is_suspected_in_a_lane_makes_no_other_wait(counts: list[int]) -> None:
    domain, taken = two_lanes(counts, [0] * 700), []
    for _ in range(2):
        _, reading = take_batch(domain, SERVICES, Settings.load({}), clock())
        taken.append((len(reading.arrived), reading.suspicious))
    assert taken == [(1 if counts[0] == 10 else 125, counts[0] == 10), (700, False)]


def test_a_publishers_own_delivery_count_is_not_believed() -> None:
    forged = delivered(Deposit(account="a", amount=1), headers={"x-delivery-count": 10})
    assert not suspicious(forged)


@pytest.mark.parametrize(("count", "is_suspicious"), [(9, False), (10, True), (-5, False)])
def test_suspicion_begins_with_the_tenth_redelivery(count: int, is_suspicious: bool) -> None:
    assert suspicious(domain_with([count]).first()) is is_suspicious
    assert not suspicious(None)


@pytest.mark.parametrize("confirmed", [False, True])
def test_commands_for_another_lane_that_is_full_go_back_to_the_broker(confirmed: bool) -> None:
    """Held in memory while the broker refuses them, they may keep this process from consuming that very lane."""
    scheduler, time = DomainScheduler(), clock()
    time.spread.return_value = 0.0
    store: Any = MagicMock()
    turns = Turns(settings=Settings.load({}), name="w", services=SERVICES, scheduler=scheduler, consuming=MagicMock(),
                  publishing=MagicMock(), clock=time)  # fmt: skip
    domain = domain_with([])
    scheduler.own(domain)
    domain.phase = Phase.SERVING
    sent: Future[None] = Future()
    domain.forwards.append((0.0, sent))
    if confirmed:
        sent.set_result(None)
    time.monotonic.return_value = 9.0
    assert turns.take(domain, store)
    phases = [domain.phase]  # it may still be confirmed
    time.monotonic.return_value = 10.0
    assert turns.take(domain, store)
    phases.append(domain.phase)
    assert phases == [Phase.SERVING, Phase.SERVING if confirmed else Phase.STARTING]
    assert not domain.forwards


def test_a_domain_whose_emitted_commands_are_not_confirmed_takes_a_batch_from_time_to_time() -> None:
    """They may be for its own lanes, which are full: without a batch there would never be room in them."""
    scheduler, time, taken = DomainScheduler(), clock(), []
    turns = Turns(settings=Settings.load({"WRITEGATE_BATCH_COMMANDS": "1"}), name="w", services=SERVICES,
                  scheduler=scheduler, consuming=MagicMock(), publishing=MagicMock(), clock=time)  # fmt: skip
    store: Any = MagicMock()
    store.commit.return_value = ("0/1", datetime.now(UTC))
    domain = domain_with([0] * 20)
    store.open.return_value.revision = domain.deferred.revision
    scheduler.own(domain)
    domain.phase = Phase.SERVING
    unconfirmed: list[Future[None]] = [Future() for _ in range(65)]
    for future in unconfirmed:
        domain.outbox.add([MagicMock(seq=1)], future)

    def take(now: float, count: int = 2) -> None:
        time.monotonic.return_value = now
        before = domain.messages_in_memory
        for _ in range(count):
            assert turns.take(domain, store)
        taken.append(before - domain.messages_in_memory)

    for now in (0.0, 9.0, 10.0, 19.0, 20.0):
        take(now)
    assert taken == [0, 0, 1, 0, 1]
    more: list[Future[None]] = [Future() for _ in range(600)]
    for future in more:
        domain.outbox.add([MagicMock(seq=1)], future)
    take(99.0)
    assert taken.pop() == 0, "memory comes first"
    for future in [*unconfirmed, *more]:
        future.set_result(None)
    take(99.0)
    assert taken.pop() == 2


def test_suspects_are_applied_while_no_other_domain_is() -> None:
    scheduler, store = DomainScheduler(), MagicMock()
    turns = Turns(settings=Settings.load({}), name="w", services=SERVICES, scheduler=scheduler, consuming=MagicMock(),
                  publishing=MagicMock(), clock=clock())  # fmt: skip
    domain = domain_with([10])
    scheduler.own(domain)
    domain.phase = Phase.SERVING
    assert scheduler.take(0) is domain
    assert turns.take(domain, store)
    assert store.mock_calls == []
    scheduler.give_back(domain)
    assert scheduler.take(0) is domain
    store.suspect.return_value = 4
    store.commit.return_value = ("0/1", datetime.now(UTC))
    store.open.return_value.revision = domain.deferred.revision
    assert turns.take(domain, store)
    store.suspect.assert_called_once()
    assert domain.messages_in_memory == 0


class Replayed:
    """A store with deferred commands and suspects."""

    def __init__(self, rows: int, writers: int) -> None:
        self.rows = [
            DeferredRow(seq, "accounts", LANE, item_of(Deposit(account="a", amount=1)), 0, None, None, False, False)
            for seq in range(1, rows + 1)
        ]
        self.writers = writers
        self.pages: list[int] = []
        self.cleared = 0

    def suspect(self, *_: object) -> int:
        return self.writers

    def clear_suspect(self, *_: object) -> None:
        self.cleared += 1

    def postpone(self, *_: object) -> None:
        """Why rows wait is of no interest here."""

    def deferred(self, _: object, after: int, limit: int) -> list[DeferredRow]:
        page = [row for row in self.rows if row.seq > after][:limit]
        self.pages.append(len(page))
        return page


@pytest.mark.parametrize(("deaths", "pages"), [(0, [500, 400]), (1, [250, 250, 250, 150]), (8, [1] * 900)])
def test_pages_of_a_replay_shrink_with_the_deaths_during_it(deaths: int, pages: list[int], monkeypatch: Any) -> None:
    def decided(processor: Any, _: str, work: Work, __: object) -> None:
        for command in work.arrived:
            processor._domain.deferred.remove(command, work.replayed[command.ledger_id])  # noqa: SLF001  in its place

    monkeypatch.setattr(BatchProcessor, "_finish", decided)
    store, domain = Replayed(900, deaths + 1), domain_with([])
    domain.deferred = DeferredIndex(Counter({("accounts", "a"): 900}))
    store_: Any = store
    processor = BatchProcessor(
        store_, Owner("w", "accounts", 1, 6.0), domain, SERVICES, MagicMock(), MagicMock(), clock()
    )
    while sum(store.pages) < 900:
        processor.replay(lambda: True)
    assert store.pages == pages
    assert store.cleared == 1


def test_a_replay_that_is_suspicious_waits_until_it_is_alone() -> None:
    store, domain = Replayed(1, 11), domain_with([])
    store_: Any = store
    processor = BatchProcessor(
        store_, Owner("w", "accounts", 1, 6.0), domain, SERVICES, MagicMock(), MagicMock(), clock()
    )
    processor.replay(lambda: False)
    assert store.pages == []


@pytest.mark.parametrize(("writers", "witnesses"), [(1, 1), (2, 0)])
def test_a_deferred_witness_by_which_a_writer_has_ended_is_not_tried_again(
    writers: int, witnesses: int, monkeypatch: Any
) -> None:
    tried: list[Work] = []

    def apply(_: BatchProcessor, __: str, work: Work, ___: int) -> BatchResult:
        tried.append(work)
        failing = [command for command in work.arrived if command.ledger_id not in work.postponed]
        if not work.is_trial and any(work.replayed[command.ledger_id].seq == 1 for command in failing):
            raise DatabaseFault("40001", "raised by a trigger", from_handlers=True)
        return BatchResult(Classified(fresh=failing))

    monkeypatch.setattr(BatchProcessor, "_apply", apply)
    monkeypatch.setattr(BatchProcessor, "_committed", lambda *_: None)
    store: Any = Replayed(2, writers)
    processor = BatchProcessor(
        store, Owner("w", "accounts", 1, 6.0), domain_with([]), SERVICES, MagicMock(), MagicMock(), clock()
    )
    processor.replay(lambda: True)
    assert sum(work.is_trial for work in tried) == witnesses
    assert store.cleared == witnesses + 1  # and the page's own


def test_the_next_batch_is_read_before_it_is_taken_without_redelivered_messages() -> None:
    domain, settings = domain_with([0, 0, 1, 0]), Settings.load({})
    read_next_batch(domain, SERVICES, settings, clock())
    [queue] = domain.coming()
    assert [delivery.parts is not None for delivery in queue] == [True, True, False, False]
    parts = [part for delivery in queue for part in delivery.parts or ()]
    _, reading = take_batch(domain, SERVICES, settings, clock())
    assert reading.arrived[:2] == parts, "the same, and not read again"
    assert len(reading.arrived) == 2


def test_no_more_than_one_batch_is_read_in_advance() -> None:
    domain = domain_with([0] * 5)
    read_next_batch(domain, SERVICES, Settings.load({"WRITEGATE_BATCH_COMMANDS": "2"}), clock())
    assert sum(delivery.parts is not None for queue in domain.coming() for delivery in queue) == 2


def test_time_that_this_process_lost_in_a_transaction_makes_the_next_ones_smaller() -> None:
    """It was taken for an outage: the same transaction was tried again and again, with longer and longer pauses."""
    scheduler, store, time = DomainScheduler(), MagicMock(), clock()
    time.spread.return_value = 0.0
    turns = Turns(settings=Settings.load({}), name="w", services=SERVICES, scheduler=scheduler, consuming=MagicMock(),
                  publishing=MagicMock(), clock=time)  # fmt: skip
    domain = domain_with([])
    domain.failures = 7
    store.open.side_effect = DatabaseFault(IDLE_IN_TRANSACTION, "terminating connection due to idle-in-transaction")
    tried = []
    for _ in range(3):
        domain.phase = Phase.SERVING
        domain.put(delivered(Deposit(account="a", amount=1)))
        assert not turns.take(domain, store), "the server has closed the connection"
        tried.append(domain.stride.commands)
    assert tried == [500, 250, 125]
    assert domain.failures == 1, "nothing waits longer for it"
