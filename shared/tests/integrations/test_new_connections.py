"""The turns of new connections, on a loop whose clock and processor time the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from writegate.integrations.new_connections import LONGEST_TURN_SECONDS, NewConnections

MILLISECOND = 0.001


class Loop:
    """Runs what is due when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 5.0
        self._due: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, work: Callable[..., None], *arguments: Any) -> None:
        self.call_later(0.0, work, *arguments)

    def call_later(self, seconds: float, work: Callable[..., None], *arguments: Any) -> None:
        self._due.append((self.now + seconds, work, arguments))

    def run(self, milliseconds: int, *, working: float) -> None:
        """Let time pass; ``working``: the share of it for which the process works."""
        for _ in range(milliseconds):
            self.now += MILLISECOND
            self.worked += MILLISECOND * working
            for _pass in range(3):
                due = [one for one in self._due if one[0] <= self.now]
                self._due = [one for one in self._due if one[0] > self.now]
                for _at, work, arguments in due:
                    work(*arguments)


class Connection:
    def __init__(self, name: str, begun: list[str], host: str = "10.0.0.1", *, asks: bool = True) -> None:
        self.client: tuple[str, int] | None = (host, 1)
        self.answering = False
        self.waits = False
        self._name, self._begun, self._asks = name, begun, asks

    def begin(self) -> None:
        self._begun.append(self._name)
        self.answering = self._asks

    def wait(self) -> None:
        self.waits = True


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def turns(loop: Loop) -> NewConnections:
    made: Any = loop
    return NewConnections(made, lambda: loop.worked)


def add(turns: NewConnections, begun: list[str], names: str, host: str = "10.0.0.1", **how: bool) -> list[Connection]:
    added = [Connection(name, begun, host, **how) for name in names]
    for connection in added:
        turns.add(connection)
    return added


def test_the_next_begins_once_the_one_before_is_answered(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    first, second, third = add(turns, begun, "abc")
    assert (begun, first.waits, second.waits, third.waits) == (["a"], False, True, True)
    loop.run(2, working=1.0)
    assert begun == ["a"]
    first.answering = False
    turns.done(first)
    loop.run(1, working=1.0)
    assert begun == ["a", "b"]
    turns.done(third)  # it has ended before it had its turn
    loop.run(1, working=1.0)
    assert begun == ["a", "b"]


def test_a_slow_answer_keeps_the_others_back_for_a_while_only(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    add(turns, begun, "abc")
    within = round(LONGEST_TURN_SECONDS / MILLISECOND)
    loop.run(within - 1, working=1.0)
    assert begun == ["a"]
    loop.run(2, working=1.0)
    assert begun == ["a", "b"]


def test_a_request_that_waits_for_others_keeps_nobody_back(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    add(turns, begun, "abc")
    loop.run(2, working=1.0)
    assert begun == ["a"]
    loop.run(3, working=0.0)
    assert begun[:2] == ["a", "b"]


def test_a_silent_connection_keeps_nobody_back(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    add(turns, begun, "abc", asks=False)
    loop.run(3, working=1.0)
    assert begun == ["a", "b", "c"]


def test_many_of_one_host_delay_one_of_another_by_one_turn(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    add(turns, begun, "abcdef")
    add(turns, begun, "xy", "10.0.0.2")
    loop.run(100, working=1.0)
    assert "".join(begun) == "abxcydef"


def test_one_without_an_address_has_its_turn_too(loop: Loop, turns: NewConnections) -> None:
    begun: list[str] = []
    add(turns, begun, "a")
    nameless = Connection("n", begun)
    nameless.client = None
    turns.add(nameless)
    loop.run(30, working=1.0)
    assert begun == ["a", "n"]


def test_a_real_loop_lets_all_of_them_begin() -> None:
    begun: list[str] = []

    async def begin_all() -> None:
        turns = NewConnections(asyncio.get_running_loop())
        add(turns, begun, "abcde")
        while len(begun) < 5:
            await asyncio.sleep(MILLISECOND)

    asyncio.run(asyncio.wait_for(begin_all(), 30))
    assert begun == list("abcde")
