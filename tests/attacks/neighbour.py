"""The neighbour: somebody who has nothing to do with the attack, and whose calls are timed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from tests.attacks.target import Target
from tests.deadlines import patient
from tests.services.shards.contract import Book

Call = Callable[[], object]

PACE_SECONDS: Final = 0.04
LONGEST_CALL_SECONDS: Final = patient(60)


class Timing:
    """Makes a call again and again, at a steady pace, for as long as the block lasts.

    A call counts from the moment at which it was due: one that is slow makes the following ones late, and these are as
    slow for whoever wanted to make them. ``seconds`` has one number for each call; an error ends the timing and is
    raised at the end of the block.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="neighbour")
        self._error: Exception | None = None
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(2 * LONGEST_CALL_SECONDS)
        if error is None:
            assert not self._thread.is_alive(), "a neighbour's call never came back"
            if self._error is not None:
                raise AssertionError(f"a neighbour's call failed: {self._error!r}") from self._error

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self._call()
            except Exception as error:  # noqa: BLE001  whatever it is, it is reported on the test's own thread
                self._error = error
                return
            self.seconds.append(time.monotonic() - due)
            due += PACE_SECONDS
            self._stop.wait(max(0.0, due - time.monotonic()))


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)]


@contextmanager
def write_of_a_neighbour(target: Target) -> Iterator[Call]:
    """Yield a call that publishes a command of another service and waits until it is applied."""
    numbers = itertools.count()
    with target.gate.broker.publisher("shards") as publisher:

        def write() -> None:
            # A key of its own each time: neither lane nor row is always the same.
            command = Book(account=f"neighbour-{next(numbers)}", seq=0)
            receipt = publisher.publish(command, receipt=True).wait(LONGEST_CALL_SECONDS)
            assert receipt is not None
            assert receipt.outcome == "applied", receipt

        yield write
