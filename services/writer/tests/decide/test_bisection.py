"""Bisection: every poison found, every good command committed once, from left to right, in few transactions."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from writegate_writer.decide.bisection import Isolation, Span, Stride

Suspect = Callable[[Span], int | None]


def run(
    size: int, poison: set[int], suspect: Suspect = lambda _: None, stride: Stride | None = None
) -> tuple[list[int], list[int], int]:
    """Return what was committed and what was found, in order, and how many attempts it took."""
    isolation = Isolation(size, stride)
    committed: list[int] = []
    found: list[int] = []
    attempts = 0
    while (span := isolation.next) is not None:
        attempts += 1
        assert attempts <= 2 * size + 2, "it does not end"
        assert len(span) > 0
        positions = range(span.start, span.stop)
        decided = committed + found
        assert positions.start == len(decided) == len(set(decided)), "from left to right, nothing twice or left out"
        if poison.isdisjoint(positions):
            committed += positions
            isolation.succeeded()
        elif (single := isolation.failed(suspect(span))) is not None:
            found.append(single.start)
            assert single == Span(single.start, single.start + 1)
    return committed, found, attempts


@given(st.integers(0, 600).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, max(size - 1, 0))))))
@example((600, set(range(600))))
@example((600, set(range(0, 600, 2))))
def test_any_poison_in_any_batch(case: tuple[int, set[int]]) -> None:
    size, poison = case
    poison = poison if size else set()
    committed, found, attempts = run(size, poison)
    assert found == sorted(poison)
    assert committed == sorted(set(range(size)) - poison)
    # A search tree has 2n - 1 spans; a poison takes at most one of them a level, and a success beside it.
    assert attempts <= min(max(2 * size - 1, 0), 1 + len(poison) * 2 * (ceil(log2(max(size, 1))) or 1))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 100, 499, 500, 512, 600])
def test_one_poison_takes_a_logarithmic_number_of_transactions(size: int) -> None:
    worst = max(run(size, {place})[2] for place in range(size))
    assert worst <= 2 * log2(size) + 2


def test_one_poison_in_500_takes_fewer_than_25_transactions() -> None:
    # One more is needed to record a poison that is found last.
    assert max(run(500, {place})[2] for place in range(500)) + 1 < 25


@pytest.mark.parametrize("size", [1, 2, 3, 64, 100, 600])
def test_all_poison_ends_after_twice_as_many_attempts_as_commands(size: int) -> None:
    committed, found, attempts = run(size, set(range(size)))
    assert (committed, found) == ([], list(range(size)))
    assert attempts == 2 * size - 1


positions = st.integers(1, 600).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1))))


@given(positions)
def test_with_the_right_suspect_a_poison_takes_three_attempts(case: tuple[int, set[int]]) -> None:
    size, poison = case
    committed, found, attempts = run(
        size, poison, lambda span: next(at for at in range(span.start, span.stop) if at in poison)
    )
    assert (committed, found) == (sorted(set(range(size)) - poison), sorted(poison))
    assert attempts <= 3 * len(poison) + 1 + size / 16


@given(positions, st.randoms())
def test_wrong_suspicions_cost_attempts_and_nothing_else(case: tuple[int, set[int]], random: Random) -> None:
    size, poison = case
    committed, found, _ = run(size, poison, lambda span: random.randrange(span.start, span.stop))
    assert (committed, found) == (sorted(set(range(size)) - poison), sorted(poison))


def test_where_poison_was_less_is_tried_at_once_until_there_is_none() -> None:
    stride = Stride()
    run(600, {3, 70, 300}, stride=stride)
    assert 16 <= stride.commands < 600
    assert run(600, set(), stride=stride)[2] > 1
    for _ in range(20):
        run(10_000, set(), stride=stride)
    assert run(600, set(), stride=stride)[2] == 1


@pytest.mark.parametrize("size", [1, 600])
def test_no_poison_takes_one_attempt(size: int) -> None:
    assert run(size, set()) == (list(range(size)), [], 1)


@given(st.integers(1, 60), st.lists(st.booleans(), max_size=400))
def test_it_ends_even_when_failures_follow_no_rule(size: int, outcomes: list[bool]) -> None:
    """A command may fail once and succeed later: someone outside has fixed it meanwhile."""
    isolation = Isolation(size)
    coin = iter(outcomes)
    decided: list[int] = []
    for _ in range(2 * size):
        span = isolation.next
        if span is None:
            break
        if next(coin, True):
            decided += range(span.start, span.stop)
            isolation.succeeded()
        elif (single := isolation.failed()) is not None:
            decided.append(single.start)
    assert isolation.next is None
    assert decided == list(range(size))
