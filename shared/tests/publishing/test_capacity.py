"""AcceptedBy much may wait in a publisher's process."""

from __future__ import annotations

import threading
import time

from writegate.publishing.capacity import CapacityLimiter


def test_room_is_limited_and_comes_back() -> None:
    room = CapacityLimiter(10)
    assert room.take(6, 0)
    assert not room.take(5, 0)
    assert room.take(4, 0)
    room.give_back(6)
    assert room.take(6, 0)


def test_more_than_the_limit_is_let_in_alone() -> None:
    room = CapacityLimiter(10)
    assert room.take(100, 0)
    assert not room.take(1, 0)
    room.give_back(100)
    assert room.take(1, 0)
    assert not room.take(100, 0)


def test_waiting_ends_when_there_is_room_and_at_the_time_limit() -> None:
    room = CapacityLimiter(1)
    assert room.take(1, 0)
    started = time.monotonic()
    assert not room.take(1, 0.05)
    assert 0.05 <= time.monotonic() - started < 5
    threading.Timer(0.05, room.give_back, [1]).start()
    assert room.take(1, 10)


def test_waiting_for_empty() -> None:
    room = CapacityLimiter(2)
    assert room.wait_empty(0)
    room.take(2, 0)
    assert not room.wait_empty(0.01)
    threading.Timer(0.05, room.give_back, [2]).start()
    assert room.wait_empty(10)


def test_it_is_never_over_the_limit_however_many_threads() -> None:
    room, used, most, lock = CapacityLimiter(7), 0, 0, threading.Lock()

    def work(count: int) -> None:
        nonlocal used, most
        for _ in range(200):
            assert room.take(count, 10)
            with lock:
                used += count
                most = max(most, used)
            with lock:
                used -= count
            room.give_back(count)

    threads = [threading.Thread(target=work, args=(count,)) for count in (1, 2, 3, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 7
    assert room.wait_empty(0)
