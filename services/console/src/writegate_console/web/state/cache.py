"""Recently computed values, shared by all requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_VALUES = 100


class TimedCache(Generic[K, V]):
    """Values by key, computed again after ``seconds``. For any thread.

    The lock is held while a value is computed: many requests for one key cause one query, not many.
    """

    def __init__(self, compute: Callable[[K], V], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._values: TTLCache[K, V] = TTLCache(MAX_VALUES, seconds, clock)
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """Return the value of a key. Raises what computing it raises; a failure is not kept."""
        with self._lock:
            try:
                return self._values[key]
            except KeyError:
                pass
            value = self._values[key] = self._compute(key)
            return value

    def clear(self) -> None:
        """Have every value computed again."""
        with self._lock:
            self._values.clear()
