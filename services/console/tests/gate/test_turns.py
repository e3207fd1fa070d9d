"""A lock for which few threads wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deadlines import patient
from writegate_console.gate.turns import NoTurn, Turns
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(60)


class Work:
    """Takes the turn for as long as ``over`` is not set."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.over = threading.Event()
        self.begun = threading.Event()
        self.most = 0
        self._now = 0

    def __call__(self) -> str:
        try:
            with self.turns.turn():
                self._now += 1
                self.most = max(self.most, self._now)
                self.begun.set()
                assert self.over.wait(PATIENCE_SECONDS)
                self._now -= 1
        except NoTurn:
            return "refused"
        return "done"


def test_whoever_comes_when_as_many_wait_as_may_is_refused_at_once() -> None:
    work = Work(Turns(most_waiting=2, seconds=PATIENCE_SECONDS))
    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(work) for _ in range(10)]
        try:
            assert wait_until(lambda: sum(done.done() for done in asked) == 7, PATIENCE_SECONDS)
        finally:
            work.over.set()
    assert sorted(done.result() for done in asked) == ["done"] * 3 + ["refused"] * 7
    assert work.most == 1
    assert work() == "done", "places are free again"


def test_a_turn_that_does_not_come_is_given_up() -> None:
    work = Work(Turns(most_waiting=2, seconds=0.01))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(work)
        assert work.begun.wait(PATIENCE_SECONDS)
        with pytest.raises(NoTurn), work.turns.turn():
            pass
        work.over.set()
        assert first.result() == "done"
