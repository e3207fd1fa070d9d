"""A lock for which only some threads wait: whoever comes then is refused at once, and keeps no thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """As many as may wait do so, or the turn did not come in time."""


class Turns:
    """One thread at a time has the turn, at most ``most_waiting`` wait for it, each for at most ``seconds``."""

    def __init__(self, most_waiting: int, seconds: float) -> None:
        self._places = threading.Semaphore(most_waiting + 1)
        self._seconds = seconds
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the turn inside the block. Raises :class:`NoTurn`."""
        if not self._places.acquire(blocking=False):
            raise NoTurn
        try:
            if not self._lock.acquire(timeout=self._seconds):
                raise NoTurn
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._places.release()
