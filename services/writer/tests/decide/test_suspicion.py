"""Suspects: which command a database error is about."""

from __future__ import annotations

from tests.sample import Deposit, arrived
from writegate_writer.decide.suspicion import suspect_in

BATCH = [arrived(Deposit(account=f"a-{number}", amount=number % 3 + 1)) for number in range(9)]


def test_who_has_most_of_the_values_is_suspected() -> None:
    text = 'violates check constraint "few"; Failing row contains (17, a-4, 2, null).'
    assert suspect_in(BATCH, text) == 4


def test_the_first_of_several_is() -> None:
    assert suspect_in(BATCH, "duplicate key value; Key (amount, other)=(2, x) already exists.") == 1


def test_nobody_is_when_nothing_is_named_or_nobody_has_it() -> None:
    assert suspect_in(BATCH, "integer out of range") is None
    assert suspect_in(BATCH, "Failing row contains (x, 77).") is None
    assert suspect_in([], "Failing row contains (x, 77).") is None
