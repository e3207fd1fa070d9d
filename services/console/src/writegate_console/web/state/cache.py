"""Recently computed values, shared by all requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

from writegate_console.gate.reader import DatabaseUnavailable
from writegate_console.gate.turns import NoTurn, Turns

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_VALUES = 100
MOST_WAITING = 8  # threads
WAIT_SECONDS = 4.0


class TimedCache(Generic[K, V]):
    """Values by key, computed again after ``seconds``. For any thread.

    One thread computes at a time: many requests for one key cause one query, not many. Few wait for it, and none for
    what is there already. The turn is that of computing; the lock guards the values, for moments only.
    """

    def __init__(self, compute: Callable[[K], V], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._values: TTLCache[K, V] = TTLCache(MAX_VALUES, seconds, clock)
        self._lock = threading.Lock()
        self._turns = Turns(MOST_WAITING, WAIT_SECONDS)

    def get(self, key: K) -> V:
        """Return the value of a key. Raises what computing it raises; a failure is not kept.

        Raises :class:`DatabaseUnavailable` when many wait already for values that are computed.
        """
        try:
            return self._known(key)
        except KeyError:
            pass
        try:
            with self._turns.turn():
                return self._known_or_computed(key)
        except NoTurn:
            raise DatabaseUnavailable("others wait for the database already, and it is slow: try again") from None

    def _known(self, key: K) -> V:
        with self._lock:
            return self._values[key]

    def _known_or_computed(self, key: K) -> V:
        try:
            return self._known(key)  # another thread has computed it meanwhile
        except KeyError:
            value = self._compute(key)
        with self._lock:
            self._values[key] = value
        return value

    def clear(self) -> None:
        """Have every value computed again."""
        with self._turns.turn(), self._lock:
            self._values.clear()
