"""Recently computed values."""

from __future__ import annotations

import threading

import pytest

from tests.deadlines import patient
from writegate_console.web.state.cache import MAX_VALUES, TimedCache

SECONDS = 5.0
PATIENCE_SECONDS = patient(60)


class Computing:
    """Counts how often each key was computed, by a clock of its own."""

    def __init__(self) -> None:
        self.computed: list[str] = []
        self.seconds = 0.0
        self.cache: TimedCache[str, int] = TimedCache(self._compute, SECONDS, lambda: self.seconds)

    def _compute(self, key: str) -> int:
        self.computed.append(key)
        if key == "wrong":
            raise LookupError(key)
        return len(self.computed)


def test_a_value_is_computed_again_when_its_time_is_over() -> None:
    computing = Computing()
    assert [computing.cache.get(key) for key in ("a", "a", "b")] == [1, 1, 2]
    computing.seconds = SECONDS + 1
    assert computing.cache.get("a") == 3
    computing.cache.clear()
    assert computing.cache.get("a") == 4


def test_a_failure_is_not_kept() -> None:
    computing = Computing()
    for _ in range(2):
        with pytest.raises(LookupError):
            computing.cache.get("wrong")
    assert computing.computed == ["wrong"] * 2


def test_the_oldest_values_make_room() -> None:
    computing = Computing()
    for number in range(MAX_VALUES + 1):
        computing.cache.get(str(number))
    computing.cache.get(str(MAX_VALUES))
    assert len(computing.computed) == MAX_VALUES + 1
    computing.cache.get("0")
    assert computing.computed[-1] == "0"


def test_threads_that_ask_at_once_cause_one_computation() -> None:
    computing, begin = Computing(), threading.Barrier(8)

    def ask() -> None:
        begin.wait(PATIENCE_SECONDS)
        computing.cache.get("a")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert computing.computed == ["a"]


def test_what_is_there_waits_for_nobody() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def compute(key: str) -> str:
        if key == "slow":
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
        return key

    cache = TimedCache(compute, SECONDS, lambda: 0.0)
    cache.get("there")
    computing = threading.Thread(target=cache.get, args=("slow",))
    computing.start()
    assert begun.wait(PATIENCE_SECONDS)
    try:
        assert cache.get("there") == "there"
    finally:
        go_on.set()
        computing.join(PATIENCE_SECONDS)
