"""When commands are due in an open loop: at random, as many clients that know nothing of each other send them."""

from __future__ import annotations

import threading
import time
from random import Random


class Schedule:
    """Times (of ``time.time()``) from now on, ``rate`` a second in the mean, for so many seconds. For all threads."""

    def __init__(self, rate: float, seconds: float, seed: int) -> None:
        self._random = Random(seed)
        self._rate = rate
        self._end = time.time() + seconds
        self._lock = threading.Lock()
        self._next = time.time()
        self._advance()

    @property
    def next(self) -> float | None:
        """When the next command is due; None when all have been taken."""
        return self._next if self._next < self._end else None

    def take(self) -> float | None:
        """Take the next time."""
        with self._lock:
            due = self.next
            self._advance()
            return due

    def due(self, most: int) -> list[float]:
        """Take the times that have come, at most so many."""
        now = time.time()
        taken: list[float] = []
        while len(taken) < most and (due := self.next) is not None and due <= now:
            taken.append(due)
            self._advance()
        return taken

    def _advance(self) -> None:
        self._next += self._random.expovariate(self._rate)


def note_of(due: float) -> str:
    """Return a time as the note of a command: how long it took is asked of the database later."""
    return f"{due:.6f}"
