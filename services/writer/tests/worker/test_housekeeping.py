"""Housekeeping: when it is due, that only one slot does it, and that it ends nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from writegate_writer.database.session import Session
from writegate_writer.errors import DatabaseFault
from writegate_writer.worker.housekeeping import OVERDUE_SECONDS, STATEMENT_SECONDS, Housekeeping

EVERY_SECONDS = 10.0


@dataclass
class Now:
    """A clock that is set by hand."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Connection:
    """A session that notes what it runs."""

    statements: list[str] = field(default_factory=list)

    def run(self, sql: str) -> None:
        self.statements.append(sql)


@dataclass
class Chore:
    """A chore that is due every ten seconds, and may fail."""

    now: Now
    error: Exception | None = None
    due_at: float = 0.0
    done: int = 0
    within: Any = None

    def tick(self, _: object) -> None:
        self.due_at = self.now() + EVERY_SECONDS
        self.done += 1
        if self.within is not None:
            self.within()
        if self.error is not None:
            raise self.error


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def session() -> Session:
    return cast("Session", Connection())


def state(housekeeping: Housekeeping) -> tuple[bool, bool]:
    return housekeeping.due, housekeeping.overdue


def test_it_is_due_at_once_and_overdue_after_a_while(now: Now, session: Session) -> None:
    housekeeping = Housekeeping([Chore(now)], now)
    assert state(housekeeping) == (True, False), "commands go first"
    now.seconds += OVERDUE_SECONDS + 1
    assert state(housekeeping) == (True, True)
    housekeeping.run(session)
    assert state(housekeeping) == (False, False)
    now.seconds += EVERY_SECONDS
    assert state(housekeeping) == (True, False)


def test_only_what_is_due_is_done_with_a_time_limit_of_its_own(now: Now, session: Session) -> None:
    first, second = Chore(now), Chore(now, due_at=now() + 1)
    Housekeeping([first, second], now).run(session)
    assert (first.done, second.done) == (1, 0)
    set_limit, reset = cast("Connection", session).statements
    assert set_limit == f"SET statement_timeout = {int(STATEMENT_SECONDS * 1000)}"
    assert reset == "RESET statement_timeout"


def test_two_slots_never_do_it_at_once(now: Now, session: Session) -> None:
    seen: list[tuple[bool, int]] = []
    other = Chore(now)

    def from_another_slot() -> None:
        housekeeping.run(session)
        seen.append((housekeeping.due, other.done))

    chore = Chore(now, within=from_another_slot)
    housekeeping = Housekeeping([chore, other], now)
    housekeeping.run(session)
    assert seen == [(False, 0)]
    assert (chore.done, other.done) == (1, 1)


@pytest.mark.parametrize("error", [DatabaseFault("57014", "canceled"), DatabaseFault("42P01", "no table"), KeyError()])
def test_what_fails_by_itself_does_not_keep_the_others(now: Now, session: Session, error: Exception) -> None:
    failing, other = Chore(now, error), Chore(now)
    Housekeeping([failing, other], now).run(session)
    assert (failing.done, other.done) == (1, 1)
    assert cast("Connection", session).statements[-1] == "RESET statement_timeout"


def test_a_lost_database_is_the_slots_to_know_and_the_next_one_may_try(now: Now, session: Session) -> None:
    housekeeping = Housekeeping([Chore(now, DatabaseFault(None, "gone")), Chore(now)], now)
    with pytest.raises(DatabaseFault):
        housekeeping.run(session)
    assert housekeeping.due
