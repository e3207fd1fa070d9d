"""How long those who guess passwords have to wait."""

from __future__ import annotations

from writegate_console.web.state.throttle import FREE_FAILURES, LoginThrottle


def test_waits_grow_and_end() -> None:
    now = [0.0]
    throttle, waits = LoginThrottle(lambda: now[0]), []
    for _ in range(20):
        throttle.failed(["x"])
        waits.append(throttle.wait_seconds(["x"]))
        now[0] += waits[-1]
    assert waits[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    assert waits[FREE_FAILURES : FREE_FAILURES + 4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == 300.0
    throttle.succeeded(["x"])
    assert throttle.wait_seconds(["x"]) == 0.0


def test_names_that_were_tried_take_no_more_than_some_memory() -> None:
    throttle = LoginThrottle()
    for number in range(25_000):
        throttle.failed([f"user {number}"])
    assert len(throttle) == 10_000
