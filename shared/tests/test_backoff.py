"""The wait before another attempt: it grows up to a limit, and processes that failed together are spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from writegate.backoff import backoff_seconds


def test_it_doubles_up_to_its_limit() -> None:
    waits = [backoff_seconds(failures, first=0.1, longest=3.0, chance=1.0) for failures in range(1, 9)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0]


@given(st.integers(1, 10**6))
def test_half_of_it_is_left_to_chance(failures: int) -> None:
    shortest, full = (backoff_seconds(failures, first=0.5, longest=60.0, chance=chance) for chance in (0.0, 1.0))
    assert shortest == full / 2
    assert shortest <= backoff_seconds(failures, first=0.5, longest=60.0) <= full
