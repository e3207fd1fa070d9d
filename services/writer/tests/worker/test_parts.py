"""Stopping in order: each part in its time, whatever the others do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.deadlines import patient
from writegate_writer.worker.parts import ReaderPool, Stopping, stop_in_order

PATIENCE_SECONDS = patient(30)


@dataclass
class Recorded:
    """A part that notes when it was to have stopped."""

    stopped: list[tuple[str, float]] = field(default_factory=list)
    name: str = ""
    error: Exception | None = None

    def start(self) -> None:
        """Do nothing."""

    def stop(self, deadline: float) -> None:
        self.stopped.append((self.name, deadline - time.monotonic()))
        if self.error is not None:
            raise self.error


def test_parts_stop_in_order_each_within_its_own_time() -> None:
    stopped: list[tuple[str, float]] = []
    stop_in_order(
        [
            Stopping("first", Recorded(stopped, "first", RuntimeError("a bug")), 100.0),
            Stopping("second", Recorded(stopped, "second"), 200.0),
        ]
    )
    assert [name for name, _ in stopped] == ["first", "second"]
    assert [round(seconds, -1) for _, seconds in stopped] == [100, 200]


def test_a_stopped_pool_has_no_threads() -> None:
    pool = ReaderPool(2)
    assert pool.executor.submit(lambda: 1).result(PATIENCE_SECONDS) == 1
    threads = list(pool.executor._threads)  # noqa: SLF001  the only way to know them
    pool.stop(time.monotonic() + PATIENCE_SECONDS)
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
