"""Calling a handler of one command at a time for many, against a stand-in that keeps statements and savepoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from tests.sample import Deposit
from writegate_writer.errors import Decline
from writegate_writer.handlers.declining import MOST_SAVEPOINTS, Untouched, sharing_savepoints
from writegate_writer.handlers.emit import collecting, emit
from writegate_writer.handlers.one_by_one import OneByOne

NO, SILENT = 13, 7  # the amounts that are declined, and that have no result


class Rows:
    """A transaction: the amounts that were written, and what a savepoint remembers of them."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.calls = 0
        self.savepoints = 0
        self._saved = 0

    def exec_driver_sql(self, statement: str) -> None:
        what = statement.split(maxsplit=1)[0]
        if what == "SAVEPOINT":
            self.savepoints += 1
            self._saved = len(self.written)
        elif what == "ROLLBACK":
            del self.written[self._saved :]

    @property
    def connection(self) -> Connection:
        return cast("Connection", self)


def deposit(connection: Connection, command: Deposit) -> int | None:
    """Write first, and look at the amount then."""
    rows = cast("Rows", connection)
    rows.calls += 1
    rows.written.append(command.amount)
    emit(command, parent=command)
    if command.amount == NO:
        raise Decline("no")
    return None if command.amount == SILENT else command.amount


def deposits(amounts: Sequence[int]) -> list[Deposit]:
    return [Deposit(account="a", amount=amount) for amount in amounts]


def careful() -> OneByOne[Deposit]:
    """One that has met a declined command lately."""
    handler = OneByOne(deposit)
    with pytest.raises(Decline), collecting():
        handler(Rows().connection, deposits([NO]))
    return handler


def test_the_first_that_is_declined_undoes_the_batch() -> None:
    rows, batch = Rows(), deposits([1, NO, 2, NO])
    with pytest.raises(Decline) as raised, collecting():
        OneByOne(deposit)(rows.connection, batch)
    assert raised.value.of([]) == {batch[1].command_id: "no"}
    assert (rows.savepoints, rows.calls) == (0, 2)


def test_a_decline_that_is_returned_is_one_that_is_raised() -> None:
    batch = deposits([1])
    with pytest.raises(Decline) as raised:
        OneByOne[Deposit](lambda _, __: Decline("no"))(Rows().connection, batch)
    assert raised.value.of([]) == {batch[0].command_id: "no"}


@given(amounts=st.lists(st.sampled_from([1, 2, SILENT, NO]), max_size=100), runs=st.integers(1, 5))
def test_afterwards_each_is_undone_alone(amounts: list[int], runs: int) -> None:
    handler, rows, batch = careful(), Rows(), deposits(amounts)
    with collecting() as emitted, sharing_savepoints(runs):
        answers = handler(rows.connection, batch)
    expected = {
        command.command_id: Untouched("no") if command.amount == NO else command.amount
        for command in batch
        if command.amount != SILENT
    }
    kept = [command for command in batch if command.amount != NO]
    assert answers == expected
    assert rows.written == [command.amount for command in kept]
    assert [each.command for each in emitted] == kept, "what a declined command emitted is not sent"
    assert rows.savepoints <= MOST_SAVEPOINTS // runs


def test_without_a_savepoint_left_the_first_that_is_declined_undoes_the_batch() -> None:
    handler, rows = careful(), Rows()
    with pytest.raises(Decline), collecting(), sharing_savepoints(MOST_SAVEPOINTS + 1):
        handler(rows.connection, deposits([1, NO]))
    assert rows.savepoints == 0


def test_when_none_is_declined_any_more_savepoints_are_not_made_any_more() -> None:
    handler, rows = careful(), Rows()
    with collecting():
        for _ in range(2):
            handler(rows.connection, deposits([1] * 10))
    assert (rows.savepoints, rows.written) == (10, [1] * 20)


def test_without_rolling_back_what_was_declined_would_stay() -> None:
    """The control: what the tests above look at does tell the difference."""

    class Keeping(Rows):
        def exec_driver_sql(self, statement: str) -> None:
            if not statement.startswith("ROLLBACK"):
                super().exec_driver_sql(statement)

    handler, rows = careful(), Keeping()
    with collecting():
        handler(rows.connection, deposits([1, NO]))
    assert rows.written == [1, NO]
