"""Whose fault it is, the command's, its type's or the database's, is found by trying, whatever the SQLSTATE.

Against a stand-in for the database, which commits or rolls back as a whole and obeys holds.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broken_database import (
    LIKELY_OUTSIDE,
    LIKELY_OWN,
    Database,
    bug,
    deposits,
    finish,
    ids,
    raised,
    withdrawals,
)
from tests.sample import Deposit, Withdraw, arrived
from writegate_writer.decide.attempts import Attempts
from writegate_writer.decide.classify import Classified, Work
from writegate_writer.decide.deferral import DeferredRow, Patience
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.trial import waits_at_fault, waits_undecided
from writegate_writer.errors import DatabaseFault, HandlerFault
from writegate_writer.receive.delivery import Arrived


def overdue(command: Arrived) -> DeferredRow:
    return DeferredRow(7, "accounts", 0, command.item, 0, None, None, limited=True, overdue=True)


@pytest.mark.parametrize("sqlstate", LIKELY_OWN)
@pytest.mark.parametrize("place", [0, 250, 498])
def test_what_fails_alone_while_its_neighbours_succeed_is_parked(sqlstate: str, place: int) -> None:
    batch = deposits(499)
    database = Database({batch[place].ledger_id}, lambda: raised(sqlstate))
    assert finish(database, batch) == []
    assert database.parked == {batch[place].ledger_id: f"sqlstate-{sqlstate}"}
    assert database.applied == ids([*batch[:place], *batch[place + 1 :]])
    assert database.tried < 30


def test_an_exception_of_the_handler_for_one_command_is_that_commands() -> None:
    batch = deposits(499)
    database = Database({batch[3].ledger_id}, bug)
    assert finish(database, batch) == []
    assert database.parked == {batch[3].ledger_id: "handler-failed"}
    assert len(database.applied) == 498


@pytest.mark.parametrize("sqlstate", LIKELY_OUTSIDE)
def test_what_usually_passes_is_tried_for_a_while_first_and_its_neighbours_do_not_wait(sqlstate: str) -> None:
    batch = deposits(499)
    database = Database({batch[7].ledger_id}, lambda: raised(sqlstate))
    assert finish(database, batch) == []
    assert (database.parked, database.postponed) == ({}, [batch[7].ledger_id])
    assert database.applied == ids([*batch[:7], *batch[8:]])
    again = [batch[7], *deposits(3)]
    assert finish(database, again, [overdue(command) for command in again]) == []
    assert database.parked == {batch[7].ledger_id: f"sqlstate-{sqlstate}"}


def test_a_row_that_waited_for_something_else_with_a_limit_gets_the_limit_of_what_it_waits_for_now() -> None:
    """Such as one of a version that was unknown until now: its limit is 24 hours."""
    bad, good = deposits(2)
    reasons: list[str] = []
    for limited_by in ("version 2 of accounts.deposit is newer than this writer's", None):
        row = DeferredRow(7, "accounts", 0, bad.item, 0, None, None, limited=True, overdue=False)
        rows = {
            bad.ledger_id: replace(
                row, reason=limited_by or reasons[0], at_fault=limited_by is None, failed=limited_by is None
            )
        }
        patience = Patience(rows)
        attempts = Attempts(Work([bad, good], replayed=rows), patience)
        database = Database({bad.ledger_id}, lambda: raised("40001"))
        while (attempt := attempts.next()) is not None:
            try:
                attempts.committed(database(attempt))
            except DatabaseFault as error:
                attempts.failed(error)
        reasons += [postponed.reason for postponed in patience.changed.values()]
        assert [postponed.limit_seconds for postponed in patience.changed.values()] == ([30.0] if limited_by else [])


@pytest.mark.parametrize("sqlstate", [*LIKELY_OWN, *LIKELY_OUTSIDE])
@pytest.mark.parametrize("count", [2, 10, 499])
def test_what_fails_for_every_command_of_a_type_holds_it_and_parks_nothing(sqlstate: str, count: int) -> None:
    bad, good = deposits(count), withdrawals(3)
    database = Database(set(ids(bad)), lambda: raised(sqlstate))
    [hold] = finish(database, [*bad, *good])
    assert hold.task == "accounts.deposit"
    assert hold.reason.startswith(f"{sqlstate}: raised {sqlstate}, such as command "), "the cause and a command"
    assert any(command.item.id in hold.reason for command in bad)
    assert (database.parked, database.postponed) == ({}, [])
    assert (sorted(database.deferred), database.applied) == (sorted(ids(bad)), ids(good))
    assert database.tried < 40


@pytest.mark.parametrize("sqlstate", LIKELY_OUTSIDE)
def test_what_fails_for_every_type_is_the_databases(sqlstate: str) -> None:
    batch = [*deposits(200), *withdrawals(200)]
    database = Database(set(ids(batch)), lambda: raised(sqlstate))
    with pytest.raises(DatabaseFault, match=sqlstate):
        finish(database, batch)
    assert (database.applied, database.parked, database.postponed, database.deferred) == ([], {}, [], [])
    assert database.tried < 40


@pytest.mark.parametrize("sqlstate", [*LIKELY_OWN, *LIKELY_OUTSIDE])
def test_one_command_without_another_of_its_type_waits_alone(sqlstate: str) -> None:
    [lone], good = deposits(1), withdrawals(5)
    database = Database({lone.ledger_id}, lambda: raised(sqlstate))
    assert finish(database, [lone, *good]) == []
    assert (database.parked, database.postponed, database.applied) == ({}, [lone.ledger_id], ids(good))


@pytest.mark.parametrize("sqlstate", ["P0001", "ZZ001", "54000"])
def test_when_nothing_more_becomes_known_the_first_guess_decides(sqlstate: str) -> None:
    [lone] = deposits(1)
    database = Database({lone.ledger_id}, lambda: raised(sqlstate))
    assert finish(database, [lone], [overdue(lone)]) == []
    assert database.parked == {lone.ledger_id: f"sqlstate-{sqlstate}"}


@pytest.mark.parametrize("sqlstate", ["42P01", "40001"])
def test_what_is_not_likely_to_be_a_commands_waits_as_long_as_it_takes(sqlstate: str) -> None:
    [lone] = deposits(1)
    database = Database({lone.ledger_id}, lambda: raised(sqlstate))
    assert finish(database, [lone], [overdue(lone)]) == []
    assert (database.parked, database.postponed) == ({}, [lone.ledger_id])


@pytest.mark.parametrize("overdue", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_was_found_at_fault_says_nothing_of_its_type_when_only_such_are_tried_again(
    count: int, overdue: bool
) -> None:
    bad = deposits(count)
    database = Database(set(ids(bad)), lambda: raised("40001"))
    rows = [at_fault(command, overdue=overdue) for command in bad]
    assert finish(database, bad, rows) == []
    assert database.parked == (dict.fromkeys(ids(bad), "sqlstate-40001") if overdue else {})


def test_what_was_found_at_fault_is_not_parked_while_its_type_is_broken() -> None:
    bad = deposits(4)
    database = Database(set(ids(bad)), lambda: raised("40001"))
    waits_for_type = [replace(overdue(command), limited=False, overdue=False) for command in bad[1:]]
    assert len(finish(database, bad, [at_fault(bad[0], overdue=True), *waits_for_type])) == 1
    assert database.parked == {}


def at_fault(command: Arrived, *, overdue: bool) -> DeferredRow:
    waits = waits_at_fault(raised("40001"))
    assert waits is not None
    row = DeferredRow(7, "accounts", 0, command.item, 0, None, None, limited=True, overdue=overdue)
    return replace(row, reason=waits.reason, at_fault=waits.at_fault)


@pytest.mark.parametrize("sqlstate", ["P0001", "ZZ001", "42P01"])
def test_an_only_witness_that_fails_in_another_way_does_not_hold_the_type(sqlstate: str) -> None:
    first, second = deposits(2)
    database = Failing({first.ledger_id: "40001", second.ledger_id: sqlstate})
    assert finish(database, [first, second]) == []
    assert sorted(database.postponed) == sorted(ids([first, second])), "each waits alone"
    database.postponed.clear()
    rows = [waiting(command, raised(database.sqlstates[command.ledger_id])) for command in (first, second)]
    assert finish(database, [first, second], rows) == [], "nor later"
    parked = {second.ledger_id: f"sqlstate-{sqlstate}"} if sqlstate in {"P0001", "ZZ001"} else {}
    assert database.parked == parked


def test_what_fails_for_every_command_in_ever_other_ways_is_the_types() -> None:
    bad = deposits(20)
    database = Failing({command.ledger_id: f"ZZ{n:03}" for n, command in enumerate(bad)})
    assert [hold.task for hold in finish(database, bad)] == ["accounts.deposit"]
    assert database.parked == {}


@pytest.mark.parametrize("sqlstates", [("40001", "55P03"), ("57014", "40P01")])
def test_time_outs_locks_and_deadlocks_may_have_one_cause(sqlstates: tuple[str, str]) -> None:
    bad = deposits(2)
    database = Failing(dict(zip(ids(bad), sqlstates, strict=True)))
    assert [hold.task for hold in finish(database, bad)] == ["accounts.deposit"]


class Failing(Database):
    """Fails with the SQLSTATE of the first command that has one."""

    def __init__(self, sqlstates: dict[str, str]) -> None:
        super().__init__(set(sqlstates), lambda: raised("XX000"))
        self.sqlstates = sqlstates

    def __call__(self, work: Work) -> BatchResult:
        tried = [id_ for id_ in ids(work.arrived) if id_ in self.sqlstates and id_ not in work.postponed]
        tried = [id_ for id_ in tried if id_ not in work.rejected]
        self.error = lambda: raised(self.sqlstates[tried[0]])
        return super().__call__(work)


def waiting(command: Arrived, error: DatabaseFault) -> DeferredRow:
    """As the row of a command that waits undecided, and whose limit, if it has one, is over."""
    waits = waits_undecided(error)
    limited = waits.limit_seconds is not None
    row = DeferredRow(7, "accounts", 0, command.item, 0, None, None, limited=limited, overdue=limited)
    return replace(row, reason=waits.reason)


@pytest.mark.parametrize("sqlstate", ["42P01", "40001", "57014", "53100", "25006"])
def test_what_waits_without_a_limit_says_so_and_what_to_do(sqlstate: str) -> None:
    waits = waits_undecided(raised(sqlstate))
    assert waits.limit_seconds is None
    assert waits.reason.startswith(f"{sqlstate}: raised {sqlstate}; ")
    assert "without a limit" in waits.reason
    assert waits.reason.endswith("correct the cause, or park or drop it (writegate deferred)")


def test_a_follower_of_its_key_shows_whose_fault_it_is_and_keeps_its_place() -> None:
    first, second = (arrived(Deposit(account="same", amount=amount)) for amount in (1, 2))
    database = Database({first.ledger_id}, lambda: raised("P0001"))
    assert finish(database, [first, second]) == []
    assert (list(database.parked), database.applied) == ([first.ledger_id], [second.ledger_id])


def test_what_succeeds_when_it_is_tried_again_is_applied() -> None:
    batch = deposits(2)
    failures = iter([True, True, True, False])

    def apply(work: Work) -> BatchResult:
        if batch[0] in work.arrived and next(failures):
            raise raised("42P01")
        return BatchResult(Classified(fresh=list(work.arrived)))

    attempts = Attempts(Work(batch), Patience({}))
    committed: list[Arrived] = []
    while (attempt := attempts.next()) is not None:
        try:
            result = apply(attempt)
        except DatabaseFault as error:
            assert attempts.failed(error) is None  # noqa: PT017  nothing is held
        else:
            attempts.committed(result)
            committed += [] if attempt.is_trial else result.plan.fresh
    assert committed == batch


def test_what_was_applied_before_a_table_went_is_no_witness_against_what_comes_after() -> None:
    attempts, tried = Attempts(Work(deposits(5)), Patience({})), 0
    hold = None
    while hold is None and (attempt := attempts.next()) is not None:
        tried += 1
        assert not attempt.rejected, "nothing is parked"
        if tried == 2:
            hold = attempts.committed(BatchResult(Classified(fresh=list(attempt.arrived))))
        else:
            hold = attempts.failed(raised("22003" if tried == 1 else "42P01"))
    assert hold is not None


@pytest.mark.parametrize("working", [{2}, {2, 3}])
def test_a_table_that_goes_again_while_a_batch_is_tried_parks_nothing(working: set[int]) -> None:
    """That some were applied since the batch failed first says nothing of now: others are tried."""
    batch = deposits(8)
    attempts, tried = Attempts(Work(batch), Patience({})), 0
    waiting: set[str] = set()
    while (attempt := attempts.next()) is not None:
        tried += 1
        assert not attempt.rejected, "nothing is parked"
        waiting |= attempt.postponed.keys()
        fresh = [command for command in attempt.arrived if command.ledger_id not in attempt.postponed]
        if tried in working or not fresh:
            attempts.committed(BatchResult(Classified(fresh=fresh)))
        elif attempts.failed(raised("42P01")) is not None:
            break  # the type is held
    assert waiting, "it is not decided, and waits"
    assert tried < 60


@pytest.mark.parametrize("places", [(3, 11), (3, 19)])
def test_two_that_are_bad_are_parked_while_others_succeed(places: tuple[int, int]) -> None:
    """The last one is the first that is tried for another: that it fails as well does not make them wait."""
    batch = deposits(20)
    bad = {batch[place].ledger_id for place in places}
    database = Database(bad, lambda: raised("42501"))
    assert finish(database, batch) == []
    assert database.parked.keys() == bad
    assert database.postponed == []


@pytest.mark.parametrize("sqlstate", [*LIKELY_OUTSIDE, "WG001", None])
def test_what_no_handler_did_is_never_tried_in_parts(sqlstate: str | None) -> None:
    batch = deposits(5)
    database = Database(set(ids(batch)), lambda: DatabaseFault(sqlstate, "not by a handler"))
    with pytest.raises(DatabaseFault):
        finish(database, batch)
    assert database.tried == 1


def test_what_is_certain_is_not_tried_in_parts() -> None:
    batch = deposits(5)
    certain = HandlerFault("accounts.deposit", "it changed a held table", certain=True)
    database = Database(set(ids(batch)), lambda: certain)
    assert [hold.task for hold in finish(database, batch)] == ["accounts.deposit"]
    assert database.tried == 2


@given(
    st.lists(st.sampled_from(["good", "good", "good", "bad", "other"]), min_size=1, max_size=60),
    st.sampled_from([*LIKELY_OWN, *LIKELY_OUTSIDE]),
)
def test_nothing_good_is_ever_parked_or_lost(kinds: list[str], sqlstate: str) -> None:
    batch = [
        arrived(Withdraw(account=f"w-{n}", amount=1) if kind == "other" else Deposit(account=f"a-{n}", amount=1))
        for n, kind in enumerate(kinds)
    ]
    bad = {command.ledger_id for command, kind in zip(batch, kinds, strict=True) if kind == "bad"}
    database = Database(bad, lambda: raised(sqlstate))
    finish(database, batch)
    assert set(database.parked) <= bad
    seen = [*database.applied, *database.parked, *database.postponed, *database.deferred]
    assert sorted(seen) == sorted(ids(batch)), "each is decided once"
    deposits_of = [id_ for id_ in database.applied if id_ not in bad]
    assert deposits_of == [id_ for id_ in ids(batch) if id_ in deposits_of], "in their order"
    if kinds.count("bad") <= 1 and kinds.count("good"):
        assert database.held == set(), "one bad command harms only itself"
