"""What was found out a moment ago, for whoever asks the same next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 100


class Kept(Generic[K, V]):
    """Values by key, made again when they are older than ``seconds``. One is made at a time."""

    def __init__(self, make: Callable[[K], V], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """Return the value. Raises what making it raises."""
        with self._lock:
            made_at, value = self._kept.get(key, (None, None))
            if made_at is not None and value is not None and self._clock() - made_at < self._seconds:
                return value
            if len(self._kept) >= MOST:
                self._kept.clear()
            value = self._make(key)
            self._kept[key] = (self._clock(), value)
            return value
