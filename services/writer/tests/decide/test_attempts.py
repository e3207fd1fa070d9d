"""Deciding a batch, against a stand-in for the database that commits or rolls back as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sample import Deposit, arrived, delivered
from writegate.message.receipt import Cause
from writegate_writer.decide.attempts import Attempts, TypeHold
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deferral import DeferredRow, Patience, Postponed
from writegate_writer.decide.result import BatchResult
from writegate_writer.errors import DatabaseFault, Decline, HandlerFault, Reject
from writegate_writer.receive.delivery import Arrived, Refused

GOOD, POISON, WRONG = "good", "poison", "wrong"  # WRONG: the handler itself rejects it


@dataclass
class Database:
    """Applies a batch as `transaction.apply` does: a ledger, handlers that may refuse, all or nothing."""

    reject_first: bool = True
    error_at: int | None = None
    error: Callable[[], Exception] = lambda: DatabaseFault("57P01", "terminating connection")
    applied: list[str] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    attempts: int = 0
    commits: int = 0

    def __call__(self, work: Work) -> BatchResult:
        self.attempts += 1
        if self.attempts == self.error_at:
            raise self.error()
        fresh, parked = self.classify(work)
        refuse = [self.reject, self.poison]
        for check in refuse if self.reject_first else reversed(refuse):
            check(fresh)
        # From here on nothing fails: this is the commit.
        self.commits += 1
        self.applied += [command.item.id for command in fresh]
        self.parked |= parked
        if work.outbox_sent is not None:
            self.sent.append(work.outbox_sent)
        return BatchResult(Classified(fresh=list(work.arrived), parked=list(work.refused)))

    def classify(self, work: Work) -> tuple[list[Arrived], dict[str, str]]:
        fresh: list[Arrived] = []
        parked = {refused.id: refused.cause.cause for refused in work.refused}
        seen = {*self.applied, *self.parked, *parked}
        for command in work.arrived:
            if command.item.id in seen:
                continue
            seen.add(command.item.id)
            if command.ledger_id in work.rejected:
                parked[command.item.id] = work.rejected[command.ledger_id].cause
            else:
                fresh.append(command)
        return fresh, parked

    def reject(self, fresh: Sequence[Arrived]) -> None:
        if wrong := [command.item.id for command in fresh if kind(command) == WRONG]:
            raise Reject(dict.fromkeys(wrong, "it is wrong"))

    def poison(self, fresh: Sequence[Arrived]) -> None:
        if any(kind(command) == POISON for command in fresh):
            raise DatabaseFault("23514", "violates a check constraint")

    def done(self, done: BatchResult) -> None:
        self.receipts += [part.item.id if isinstance(part, Arrived) else part.id for part in done.parts]


def kind(command: Arrived) -> str:
    return command.item.id.partition("-")[0]


def commands(kinds: Sequence[str]) -> list[Arrived]:
    return [arrived(Deposit(account="a", amount=1).with_id(f"{what}-{at}")) for at, what in enumerate(kinds)]


def refused(count: int) -> list[Refused]:
    message = delivered(Deposit(account="a", amount=1))
    return [Refused(message, f"refused-{at}", 0, Cause("bad-fields", "no"), None, b"") for at in range(count)]


def nothing_follows(_: BatchResult) -> None:
    """Nothing is done after a commit."""


def finish(
    work: Work,
    apply: Callable[[Work], BatchResult],
    done: Callable[[BatchResult], None] = nothing_follows,
    *,
    overdue: bool = True,
) -> None:
    """Try what is to be tried, as the writer does, but hold no command type."""
    rows = {
        command.ledger_id: DeferredRow(1, "accounts", 0, command.item, 0, None, None, limited=True, overdue=overdue)
        for command in work.arrived
    }
    attempts = Attempts(work, Patience(rows))
    while (attempt := attempts.next()) is not None:
        try:
            result = apply(attempt)
        except (Reject, Decline, DatabaseFault, HandlerFault) as error:
            if (hold := attempts.failed(error)) is not None:
                raise HandlerFault(hold.task, hold.reason) from error
        else:
            attempts.committed(result)
            done(result)


def run(database: Database, batch: Sequence[Arrived], bad: Sequence[Refused] = (), sent: int | None = None) -> None:
    finish(Work(batch, bad, outbox_sent=sent), database, database.done)


def expect_all_decided(database: Database, batch: Sequence[Arrived], bad: Sequence[Refused] = ()) -> None:
    assert database.applied == [command.item.id for command in batch if kind(command) == GOOD]
    causes = {POISON: "sqlstate-23514", WRONG: "rejected"}
    expected = {command.item.id: causes[kind(command)] for command in batch if kind(command) != GOOD}
    assert database.parked == expected | {refused.id: "bad-fields" for refused in bad}


kinds = st.lists(st.sampled_from([GOOD, GOOD, GOOD, POISON, WRONG]), max_size=40)


@given(kinds, st.integers(0, 3), st.none() | st.integers(1, 9), st.booleans())
def test_good_commands_are_applied_in_order_and_the_others_parked(
    given_kinds: list[str], bad: int, sent: int | None, reject_first: bool
) -> None:
    database, batch, refusals = Database(reject_first), commands(given_kinds), refused(bad)
    run(database, batch, refusals, sent)
    expect_all_decided(database, batch, refusals)
    assert database.sent == ([] if sent is None else [sent]), "with one commit, and only one"
    everyone = [command.item.id for command in batch] + [refused.id for refused in refusals]
    assert sorted(database.receipts) == sorted(everyone), "one receipt for each command"


@given(kinds, st.integers(1, 30), st.booleans(), st.sampled_from(["57P01", "40001", "42501", None, "WG001"]))
def test_an_error_that_is_no_commands_fault_ends_it_and_a_second_try_finishes(
    given_kinds: list[str], at: int, reject_first: bool, sqlstate: str | None
) -> None:
    batch = commands(given_kinds)
    database = Database(reject_first, error_at=at, error=lambda: DatabaseFault(sqlstate, "not your fault"))
    try:
        run(database, batch)
    except DatabaseFault as error:
        assert error.sqlstate == sqlstate  # noqa: PT017  it may also not get so far
        assert database.attempts == at, "nothing is tried after it"
        good = [command.item.id for command in batch if kind(command) == GOOD]
        assert database.applied == good[: len(database.applied)]
        run(database, batch)
    expect_all_decided(database, batch)


@given(st.lists(st.sampled_from(["good-1", "good-2", "poison-1", "wrong-1"]), max_size=20), st.booleans())
def test_the_same_command_may_be_there_several_times(ids: list[str], reject_first: bool) -> None:
    batch = [arrived(Deposit(account="a", amount=1).with_id(id_)) for id_ in ids]
    database = Database(reject_first)
    run(database, batch)
    assert database.applied == list(dict.fromkeys(id_ for id_ in ids if id_.startswith(GOOD)))
    assert set(database.parked) == {id_ for id_ in ids if not id_.startswith(GOOD)}


def test_a_good_batch_is_one_transaction() -> None:
    database = Database()
    run(database, commands([GOOD] * 500), refused(2), 7)
    assert (database.attempts, database.commits) == (1, 1)


def test_what_was_refused_is_parked_behind_all_that_is_deferred() -> None:
    """Should people have it decided again, its place is behind what of its key was deferred before."""
    orphan, wanted = commands([POISON, GOOD]), refused(1)
    recorded: list[tuple[list[str], bool]] = []

    def apply(work: Work) -> BatchResult:
        if any(command is orphan[0] and command.ledger_id not in work.postponed for command in work.arrived):
            raise DatabaseFault("23503", "no such parent")
        recorded.append(([command.item.id for command in work.arrived], bool(work.refused)))
        return BatchResult()

    finish(Work([*orphan, *commands([GOOD] * 4)], wanted), apply, overdue=False)
    assert [parked for _, parked in recorded] == [*([False] * (len(recorded) - 1)), True]
    assert any("poison-0" in ids for ids, _ in recorded)


@pytest.mark.parametrize("after_deaths", [True, False])
def test_what_is_found_at_fault_in_a_replay_is_recorded_before_anything_else_is_tried(after_deaths: bool) -> None:
    """Else a command behind it that ends the process makes the next one find out about it anew, for ever."""
    recorded: list[list[str]] = []

    def apply(work: Work) -> BatchResult:
        if any(kind(command) == POISON and command.ledger_id not in work.rejected for command in work.arrived):
            raise DatabaseFault("23514", "violates a check constraint")
        recorded.append([command.item.id for command in work.arrived])
        return BatchResult()

    batch = commands([POISON, GOOD])
    rows = {
        command.ledger_id: DeferredRow(7, "accounts", 0, command.item, 0, None, None, False, False) for command in batch
    }
    finish(Work(batch, replayed={} if after_deaths else rows, after_deaths=after_deaths), apply)
    assert recorded == [["poison-0"], ["good-1"]]


@pytest.mark.parametrize("sqlstate", ["40001", "42P01", "P0001"])
@pytest.mark.parametrize("was_at_fault", [True, False])
@pytest.mark.parametrize("after_deaths", [True, False])
def test_after_a_death_no_type_is_held_since_what_comes_behind_would_not_be_tried(
    after_deaths: bool, was_at_fault: bool, sqlstate: str
) -> None:
    """On a small page two that fail are each other's only witnesses; the one that ends the process is behind them."""

    def apply(work: Work) -> BatchResult:
        if any(command.ledger_id not in work.postponed for command in work.arrived):
            raise DatabaseFault(sqlstate, "raised", task="accounts.deposit", from_handlers=True)
        postponed.update(work.postponed)
        return BatchResult()

    postponed: dict[str, Postponed] = {}
    first, second = commands([POISON, POISON])
    row = DeferredRow(7, "accounts", 0, first.item, 0, None, None, was_at_fault, was_at_fault, at_fault=was_at_fault)
    rows = {first.ledger_id: row, second.ledger_id: replace(row, seq=8, limited=False, overdue=False, at_fault=False)}
    attempts = Attempts(Work([first, second], replayed=rows, after_deaths=after_deaths), Patience(rows))
    holds: list[TypeHold] = []
    while not holds and (attempt := attempts.next()) is not None:
        try:
            hold = attempts.committed(apply(attempt))
        except DatabaseFault as error:
            hold = attempts.failed(error)
        holds += [hold] if hold is not None else []
    assert len(holds) == (0 if after_deaths else 1)
    limits = [waits.limit_seconds for waits in postponed.values()]
    assert limits == ([None, None] if after_deaths else []), "nothing is parked: it may be the type that fails"


@pytest.mark.parametrize("failed", [True, False])
def test_a_deferred_command_that_failed_is_tried_before_those_of_its_key_behind_it(failed: bool) -> None:
    """One of these may end the process: nothing would find it while it is tried together with what fails."""
    batch = [arrived(Deposit(account=account, amount=1)) for account in ("other", "a", "a", "a")]
    row = DeferredRow(7, "accounts", 0, batch[0].item, 0, None, None, False, False)
    rows = {command.ledger_id: row for command in batch} | {batch[1].ledger_id: replace(row, failed=failed)}
    attempts, tried = Attempts(Work(batch, replayed=rows), Patience(rows)), []
    while (attempt := attempts.next()) is not None:
        tried.append(len(attempt.arrived))
        attempts.committed(BatchResult(Classified(fresh=list(attempt.arrived))))
    assert tried == ([1, 1, 2] if failed else [4])


def test_nothing_to_decide_is_no_transaction() -> None:
    database = Database()
    run(database, [])
    assert database.attempts == 0


@pytest.mark.parametrize("place", [0, 1, 249, 250, 333, 498, 499])
def test_one_poison_among_500_takes_fewer_than_25_transactions(place: int) -> None:
    given_kinds = [GOOD] * 500
    given_kinds[place] = POISON
    database, batch = Database(), commands(given_kinds)
    run(database, batch)
    expect_all_decided(database, batch)
    assert database.attempts < 25


def test_a_handler_that_rejects_the_wrong_commands_takes_one_more_transaction() -> None:
    database, batch = Database(), commands([WRONG, GOOD, WRONG, GOOD] * 100)
    run(database, batch)
    expect_all_decided(database, batch)
    assert database.attempts == 2


@pytest.mark.parametrize("answer", [Reject, Decline])
def test_an_answer_that_rested_on_a_command_at_fault_is_thought_over(
    answer: Callable[[dict[str, str]], Exception],
) -> None:
    """The handler refuses a second withdrawal; but the first, which left too little, is refused by the database."""
    batch = commands(["poison", "good"])
    first, second = (command.ledger_id for command in batch)
    found: dict[str, str] = {}

    def apply(work: Work) -> BatchResult:
        fresh = {command.ledger_id for command in work.arrived} - set(work.rejected) - set(work.declined)
        if fresh == {first, second}:
            raise answer({"good-1": "nothing is left"})
        if first in fresh:
            raise DatabaseFault("23514", "violates a check constraint")
        found.update(
            {command.ledger_id: "applied" if command.ledger_id in fresh else "parked" for command in work.arrived}
        )
        return BatchResult()

    finish(Work(batch), apply)
    assert found == {first: "parked", second: "applied"}


def test_declined_commands_take_one_more_transaction_and_are_not_parked() -> None:
    batch, tried = commands([WRONG, GOOD] * 200), list[Work]()

    def apply(work: Work) -> BatchResult:
        tried.append(work)
        if wrong := [
            command.item.id
            for command in work.arrived
            if kind(command) == WRONG and command.ledger_id not in work.declined
        ]:
            raise Decline(dict.fromkeys(wrong, "no"))
        return BatchResult(Classified(fresh=list(work.arrived)))

    finish(Work(batch), apply)
    assert len(tried) == 2
    assert (len(tried[-1].declined), tried[-1].rejected) == (200, {})


def test_all_poison_takes_twice_as_many_transactions_as_commands() -> None:
    database, batch = Database(), commands([POISON] * 100)
    run(database, batch)
    expect_all_decided(database, batch)
    assert database.attempts == 2 * 100 + 1  # 50 at a time are recorded, the last 50 when the last is found


@pytest.mark.parametrize("answer", [Reject, Decline])
@pytest.mark.parametrize("reasons", [{"somebody-else": "no"}, {}])
def test_a_handler_that_names_what_it_was_not_given_is_broken(
    reasons: dict[str, str], answer: Callable[[dict[str, str]], Exception]
) -> None:
    attempts = Attempts(Work(commands([GOOD, GOOD])), Patience({}))
    hold = None
    while hold is None and attempts.next() is not None:
        error = answer(reasons)
        assert isinstance(error, Reject | Decline)
        hold = attempts.failed(error)
    assert hold is not None
    assert hold.reason.startswith("accounts.deposit: the handler names ids that it was not given")


def test_a_poison_keeps_what_the_database_said() -> None:
    found: list[Cause] = []

    def apply(work: Work) -> BatchResult:
        if any(command.ledger_id not in work.rejected for command in work.arrived):
            raise DatabaseFault("22003", "integer out of range; in the third column")
        found.extend(work.rejected.values())
        return BatchResult()

    finish(Work(commands([POISON])), apply)
    assert found == [Cause("sqlstate-22003", "integer out of range; in the third column", "22003")]


@pytest.mark.parametrize("patient", [True, False])
def test_a_missing_parent_row_is_waited_for_before_the_command_is_given_up(patient: bool) -> None:
    found: list[Work] = []

    def apply(work: Work) -> BatchResult:
        if any(command.ledger_id not in {*work.rejected, *work.postponed} for command in work.arrived):
            raise DatabaseFault("23503", "no such parent")
        found.append(work)
        return BatchResult()

    finish(Work(commands([POISON])), apply, overdue=not patient)
    [work] = found
    assert (len(work.postponed), len(work.rejected)) == (int(patient), int(not patient))
