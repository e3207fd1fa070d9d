"""The limit on how many commands wait in a publisher's memory."""

from __future__ import annotations

import threading
import time

from writegate.publishing.capacity import CapacityLimiter


def test_it_is_limited_and_released() -> None:
    capacity = CapacityLimiter(10)
    assert capacity.take(6, 0)
    assert not capacity.take(5, 0)
    assert capacity.take(4, 0)
    capacity.give_back(6)
    assert capacity.take(6, 0)


def test_more_than_the_limit_is_let_in_alone() -> None:
    capacity = CapacityLimiter(10)
    assert capacity.take(100, 0)
    assert not capacity.take(1, 0)
    capacity.give_back(100)
    assert capacity.take(1, 0)
    assert not capacity.take(100, 0)


def test_waiting_ends_when_there_is_capacity_and_at_the_time_limit() -> None:
    capacity = CapacityLimiter(1)
    assert capacity.take(1, 0)
    started = time.monotonic()
    assert not capacity.take(1, 0.05)
    assert 0.05 <= time.monotonic() - started < 5
    threading.Timer(0.05, capacity.give_back, [1]).start()
    assert capacity.take(1, 10)


def test_waiting_for_empty() -> None:
    capacity = CapacityLimiter(2)
    assert capacity.wait_empty(0)
    capacity.take(2, 0)
    assert not capacity.wait_empty(0.01)
    threading.Timer(0.05, capacity.give_back, [2]).start()
    assert capacity.wait_empty(10)


def test_it_is_never_over_the_limit_however_many_threads() -> None:
    capacity, used, most, lock = CapacityLimiter(7), 0, 0, threading.Lock()

    def work(count: int) -> None:
        nonlocal used, most
        for _ in range(200):
            assert capacity.take(count, 10)
            with lock:
                used += count
                most = max(most, used)
            with lock:
                used -= count
            capacity.give_back(count)

    threads = [threading.Thread(target=work, args=(count,)) for count in (1, 2, 3, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 7
    assert capacity.wait_empty(0)
