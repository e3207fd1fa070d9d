"""What is noted of applied commands: the last of each type and version, now and then."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.sample import Deposit, Withdraw, arrived
from writegate import Command
from writegate_writer.database.recent_commands import Recent
from writegate_writer.database.session import Session
from writegate_writer.decide.classify import Classified
from writegate_writer.decide.result import BatchResult
from writegate_writer.errors import DatabaseFault


class Written:
    """Stands for the control thread's session: takes what is written, or fails."""

    def __init__(self) -> None:
        self.rows: list[list[tuple[Any, ...]]] = []
        self.fault: DatabaseFault | None = None

    def own(self, _: str, columns: list[list[Any]]) -> list[tuple[Any, ...]]:
        if self.fault is not None:
            raise self.fault
        self.rows.append(list(zip(*columns, strict=True)))
        return []


class Sample:
    """A sample at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written = Written()
        self.recent = Recent(lambda: self.now)

    def collect(self, *commands: Command) -> None:
        self.recent.collect(BatchResult(Classified(fresh=[arrived(command) for command in commands])))

    def tick(self) -> list[list[tuple[Any, ...]]]:
        self.recent.tick(cast(Session, self.written))
        return self.written.rows


def test_the_last_of_each_type_and_version_is_written() -> None:
    sample = Sample()
    last = [Withdraw(account="b", amount=2), Deposit(account="c", amount=3)]
    sample.collect(Deposit(account="a", amount=1), *last)
    [rows] = sample.tick()
    assert [(*row[:3], row[3], row[4]) for row in rows] == [
        ("accounts", "accounts.deposit", 1, last[1].command_id, "c"),
        ("accounts", "accounts.withdraw", 3, last[0].command_id, "b"),
    ]
    assert rows[0][5] == b'{"account":"c","amount":3}'


def test_one_batch_a_second_is_looked_at_and_once_a_minute_written() -> None:
    sample = Sample()
    for sample.now in (0.0, 0.1, 0.9):
        sample.collect(Deposit(account=str(sample.now), amount=1))
    assert [row[4] for row in sample.tick()[0]] == ["0.0"]
    for sample.now in (1.0, 59.0):
        sample.collect(Deposit(account=str(sample.now), amount=1))
        assert len(sample.tick()) == 1
    sample.now = 60.9
    assert [row[4] for row in sample.tick()[1]] == ["59.0"]
    sample.now = 200.0
    assert len(sample.tick()) == 2  # nothing new was seen


def test_a_database_without_the_table_stops_nothing_and_one_that_is_gone_is_told() -> None:
    sample = Sample()
    sample.collect(Deposit(account="a", amount=1))
    sample.written.fault = DatabaseFault("42P01", "no such table")
    assert sample.tick() == []
    sample.now = 60.0
    sample.collect(Deposit(account="a", amount=1))
    sample.written.fault = DatabaseFault("08006", "gone")
    with pytest.raises(DatabaseFault):
        sample.tick()
