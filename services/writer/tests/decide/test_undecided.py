"""Commands that failed alone, and nobody can say whose fault it is: what is applied between their tries tells."""

from __future__ import annotations

import pytest

from tests.broken_database import LIKELY_OWN, Database, deposits, finish, ids, raised
from writegate_writer.decide.trial import Undecided


@pytest.mark.parametrize("sqlstate", LIKELY_OWN)
def test_another_of_its_type_that_is_applied_later_shows_whose_fault_it_is(sqlstate: str) -> None:
    [lone, later, last], undecided = deposits(3), Undecided()
    database = Database({lone.ledger_id}, lambda: raised(sqlstate))
    for batch in ([lone], [lone], [later], [lone], [last], [lone]):
        assert database.parked == {}
        finish(database, batch, undecided=undecided)
    assert database.parked == {lone.ledger_id: f"sqlstate-{sqlstate}"}
    assert not undecided


def test_two_that_fail_together_are_parked_when_others_are_applied_between_many_of_their_tries() -> None:
    [first, second, *others], undecided = deposits(10), Undecided()
    database = Database({first.ledger_id, second.ledger_id}, lambda: raised("P0001"))
    assert [hold.task for hold in finish(database, [first, second], undecided=undecided)] == ["accounts.deposit"]
    held = []
    for other in others:
        assert database.parked == {}
        database.held.clear()
        finish(database, [other], undecided=undecided)
        held += finish(database, [first, second], undecided=undecided)
    assert len(held) == 1, "it is known to work by then, at times"
    assert sorted(database.parked) == sorted([first.ledger_id, second.ledger_id])


@pytest.mark.parametrize("others", [1, 3])
def test_a_table_that_comes_and_goes_parks_nothing_while_all_that_are_tried_fail(others: int) -> None:
    batch, undecided = deposits(1 + others), Undecided()
    for _ in range(6):
        broken, works = Database(set(ids(batch)), lambda: raised("42P01")), Database(set(), lambda: raised("42P01"))
        finish(broken, batch, undecided=undecided)
        assert broken.parked == {}
        finish(works, deposits(1), undecided=undecided)
    assert finish(works, batch, undecided=undecided) == []
    assert works.applied[1:] == ids(batch)
